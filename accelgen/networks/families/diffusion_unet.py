"""Diffusion models that are U-Nets of residual blocks: DDPM's and Stable Diffusion's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from accelgen.errors import InputError
from accelgen.networks.builder import Builder, Value
from accelgen.networks.network import Network

__all__ = ["ddpm_unet", "stable_diffusion_unet"]

_DDPM = "Ho, Jain, Abbeel: Denoising Diffusion Probabilistic Models, arXiv 2006.11239, CIFAR-10"
_STABLE = "Rombach et al.: Latent Diffusion Models, arXiv 2112.10752; Stable Diffusion v1-5"

Attend = Callable[[Builder, Value], Value]


def ddpm_unet(image: int = 32, batch: int = 1) -> Network:
    """One denoising step of DDPM's model of CIFAR-10: 128 channels, attention at half size."""
    b = Builder(batch)
    if image % 8:
        raise InputError(f"an image of {image} is no multiple of 8")
    x = Value((3, image, image))
    _unet(b, x, 128, (1, 2, 2, 2), attended=(1,), attend=_single_head)
    return b.network("ddpm_cifar10", _DDPM)


def stable_diffusion_unet(image: int = 512, text_tokens: int = 77, batch: int = 1) -> Network:
    """One denoising step of Stable Diffusion 1.5 on the latents of an image, an eighth of its
    size, with the text's ``text_tokens`` vectors of 768.
    """
    b = Builder(batch)
    text = Value((text_tokens, 768))
    if image % 64:
        raise InputError(f"an image of {image} is no multiple of 64")
    _unet(
        b, Value((4, image // 8, image // 8)), 320, (1, 2, 4, 4), attended=(0, 1, 2),
        attend=lambda b, x: _transformer(b, x, text),
    )  # fmt: skip
    return b.network("stable_diffusion_1_5_unet", _STABLE)


def _unet(
    b: Builder,
    x: Value,
    width: int,
    factors: Sequence[int],
    *,
    attended: Sequence[int],
    attend: Attend,
) -> None:
    """Two residual blocks per level down, three up; attention behind those of some levels."""
    channels = x.shape[0]
    with b.scope("time"):
        t = b.linear("dense1", Value((1, width)), 4 * width)
        t = b.vector("silu", b.linear("dense2", b.vector("silu", t), 4 * width))
    x = b.conv("conv_in", x, width, 3, bias=True)
    skips = [x]
    last = len(factors) - 1
    for level, factor in enumerate(factors):
        for i in range(2):
            with b.scope(f"down{level}.{i}"):
                x = _residual(b, x, t, width * factor)
                x = attend(b, x) if level in attended else x
            skips.append(x)
        if level < last:
            x = b.conv(f"down{level}.downsample", x, x.shape[0], 3, stride=2, bias=True)
            skips.append(x)
    with b.scope("middle"):
        x = _residual(b, x, t, x.shape[0])
        x = attend(b, x)
        x = _residual(b, x, t, x.shape[0])
    for level in reversed(range(len(factors))):
        for i in range(3):
            with b.scope(f"up{level}.{i}"):
                x = _residual(b, b.concat(x, skips.pop()), t, width * factors[level])
                x = attend(b, x) if level in attended else x
        if level:
            with b.scope(f"up{level}"):
                shape = (x.shape[0], 2 * x.shape[1], 2 * x.shape[2])
                x = b.vector("upsample", x, shape=shape, elements=4 * x.elements)
                x = b.conv("conv", x, x.shape[0], 3, bias=True)
    x = b.vector("silu", _group_norm(b, x))
    b.conv("conv_out", x, channels, 3, bias=True)


def _residual(b: Builder, x: Value, time: Value, channels: int) -> Value:
    y = b.vector("silu", _group_norm(b, x))
    y = b.conv("conv1", y, channels, 3, bias=True)
    y = b.vector("add", y, b.linear("time", time, channels))
    y = b.vector("silu", _group_norm(b, y))
    y = b.conv("conv2", y, channels, 3, bias=True)
    if x.shape[0] != channels:
        x = b.conv("shortcut", x, channels, 1, bias=True)
    return b.vector("add", y, x)


def _single_head(b: Builder, x: Value) -> Value:
    """Attention of one head over all positions."""
    width, height, size = x.shape
    y = _group_norm(b, x).reshaped(height * size, width)
    q, k, v = (b.linear(name, y, width) for name in ("query", "key", "value"))
    y = b.linear("projection", b.attention(q, k, v, 1), width)
    return b.vector("add", y, x).reshaped(*x.shape)


def _transformer(b: Builder, x: Value, text: Value, heads: int = 8) -> Value:
    """Attention to the image, attention to the text, and a gated feed-forward layer."""
    width, height, size = x.shape
    y = b.linear("project_in", _group_norm(b, x).reshaped(height * size, width), width)
    for name, other in (("self", None), ("cross", text)):
        with b.scope(name):
            n = b.layer_norm(y, "norm")
            q = b.linear("query", n, width, bias=False)
            k = b.linear("key", other or n, width, bias=False)
            v = b.linear("value", other or n, width, bias=False)
            y = b.vector("add", b.linear("output", b.attention(q, k, v, heads), width), y)
    with b.scope("feed_forward"):
        h = b.linear("gate_up", b.layer_norm(y, "norm"), 8 * width)
        half = h.reshaped(y.shape[0], 4 * width)
        h = b.vector("multiply", b.vector("gelu", half), half)
        y = b.vector("add", b.linear("down", h, width), y)
    y = b.linear("project_out", y, width)
    return b.vector("add", y, x).reshaped(*x.shape)


def _group_norm(b: Builder, x: Value) -> Value:
    return b.vector("group_norm", x, parameters=2 * x.shape[0])
