"""DiT: a diffusion model that is a vision transformer conditioned by adaptive layer norms."""

from __future__ import annotations

from accelgen.errors import InputError
from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.choice import chosen
from accelgen.networks.network import Network

__all__ = ["dit"]

_SIZES = {"S": (12, 384, 6), "B": (12, 768, 12), "L": (24, 1024, 16), "XL": (28, 1152, 16)}
_SOURCE = "Peebles, Xie: Scalable Diffusion Models with Transformers, arXiv 2212.09748"
_CHANNELS, _FREQUENCIES = 4, 256


def dit(
    size: str = "XL", patch: int = 2, image: int = 256, classes: int = 1000, batch: int = 1
) -> Network:
    """One denoising step of DiT (``size`` S, B, L or XL) on the latents of an image, an eighth
    of its size; noise and variance are predicted.
    """
    chosen(size, _SIZES, "size")
    if image % (8 * patch):
        raise InputError(f"patches of {patch} do not divide latents of {image} / 8")
    depth, width, heads = _SIZES[size]
    b = Builder(batch)
    x = Value((_CHANNELS, image // 8, image // 8))
    x = b.conv("patches", x, width, patch, stride=patch, padding=0, bias=True)
    tokens = x.elements // width
    x = x.reshaped(tokens, width)
    # The position embeddings are sines, stored but not trained.
    x = b.vector("add", x, parameters=tokens * width, name="positions")
    with b.scope("condition"):
        t = b.linear("time1", Value((1, _FREQUENCIES)), width)
        t = b.linear("time2", b.vector("silu", t), width)
        # One class more: none.
        label = b.vector("lookup", Value((1, width)), parameters=(classes + 1) * width)
        c = b.vector("silu", b.vector("add", t, label))
    for i in range(depth):
        with b.scope(f"block{i}"):
            x = _block(b, x, c, heads)
    with b.scope("final"):
        m = b.linear("modulation", c, 2 * width)
        y = _modulated(b, x, m)
        b.linear("linear", y, patch**2 * 2 * _CHANNELS)
    return b.network(f"dit_{size.lower()}_{patch}", _SOURCE)


def _block(b: Builder, x: Value, condition: Value, heads: int) -> Value:
    tokens, width = x.shape
    m = b.linear("modulation", condition, 6 * width)
    q = k = v = b.linear("qkv", _modulated(b, x, m), 3 * width).reshaped(tokens, width)
    y = b.linear("projection", b.attention(q, k, v, heads), width)
    x = b.vector("add", b.vector("gate", y, m), x)
    y = b.vector("gelu", b.linear("fc1", _modulated(b, x, m), 4 * width))
    y = b.linear("fc2", y, width)
    return b.vector("add", b.vector("gate", y, m), x)


def _modulated(b: Builder, x: Value, modulation: Value) -> Value:
    """Layer norm without parameters, then a scale and a shift from the condition."""
    return b.vector("modulate", b.layer_norm(x, "norm", parameters=0), modulation)
