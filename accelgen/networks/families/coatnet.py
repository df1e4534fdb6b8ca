"""CoAtNet: two stages of inverted residuals, two of attention with relative positions."""

from __future__ import annotations

from accelgen.errors import InputError
from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.inverted import rescale
from accelgen.networks.network import Network

__all__ = ["coatnet_0"]

_SOURCE = "Dai et al.: CoAtNet, arXiv 2106.04803, tables 3 and 4"
_STEM, _HEAD_WIDTH = 64, 32
_STAGES = ((96, 2), (192, 3), (384, 5), (768, 2))


def coatnet_0(image: int = 224, classes: int = 1000, batch: int = 1) -> Network:
    """CoAtNet-0; ``image`` is a multiple of 32."""
    if image % 32:
        raise InputError(f"an image of {image} is no multiple of 32")
    b = Builder(batch)
    x = Value((3, image, image))
    x = b.vector("gelu", b.conv("stem1", x, _STEM, 3, stride=2, norm=True))
    x = b.conv("stem2", x, _STEM, 3, bias=True)
    for stage, (width, count) in enumerate(_STAGES, start=1):
        for i in range(count):
            with b.scope(f"stage{stage}.{i}"):
                block = _inverted if stage <= 2 else _attention
                x = block(b, x, width, 2 if i == 0 else 1)
    x = b.layer_norm(b.mean(x), "norm")
    b.linear("head", x, classes)
    return b.network("coatnet_0", _SOURCE)


def _inverted(b: Builder, x: Value, width: int, stride: int) -> Value:
    """Normalise, expand to four times the width with the stride, depthwise, rescale, project."""
    wide = 4 * width
    y = b.vector("batch_norm", x, parameters=2 * x.shape[0])
    y = b.vector("gelu", b.conv("expand", y, wide, 1, stride=stride, norm=True))
    y = b.vector("gelu", b.conv("depthwise", y, wide, 3, groups=wide, norm=True))
    # A quarter of the expanded channels: a quarter of ``width`` would make 24 M of the 25 M.
    y = rescale(b, y, wide // 4, "silu")
    y = b.conv("project", y, width, 1, bias=True)
    return b.vector("add", y, _shortcut(b, x, width, stride))


def _attention(b: Builder, x: Value, width: int, stride: int) -> Value:
    """Attention with a bias per relative position and head, then a feed-forward layer."""
    y = b.vector("layer_norm", x, parameters=2 * x.shape[0], name="norm1")
    if stride > 1:
        y = _halved(b, y)
    channels, height, size = y.shape
    tokens, heads = height * size, width // _HEAD_WIDTH
    y = b.linear("qkv", y.reshaped(tokens, channels), 3 * width)
    q = k = v = y.reshaped(tokens, width)
    # A table of biases over all distances between two positions.
    table = heads * (2 * height - 1) * (2 * size - 1)
    y = b.linear("projection", b.attention(q, k, v, heads, position_biases=table), width)
    x = _shortcut(b, x, width, stride)
    x = b.vector("add", y, x.reshaped(tokens, width))
    y = b.vector("gelu", b.linear("fc1", b.layer_norm(x, "norm2"), 4 * width))
    x = b.vector("add", b.linear("fc2", y, width), x)
    return x.reshaped(width, height, size)


def _shortcut(b: Builder, x: Value, width: int, stride: int) -> Value:
    if stride > 1:
        x = _halved(b, x)
    return x if x.shape[0] == width else b.conv("shortcut", x, width, 1, bias=True)


def _halved(b: Builder, x: Value) -> Value:
    """Means of two by two."""
    shape = (x.shape[0], x.shape[1] // 2, x.shape[2] // 2)
    return b.vector("average_pool", x, shape=shape)
