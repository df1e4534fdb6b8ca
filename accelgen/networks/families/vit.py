"""Vision transformers."""

from __future__ import annotations

from accelgen.errors import InputError
from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.choice import chosen
from accelgen.networks.network import Network

__all__ = ["encoder_block", "vit"]

_SIZES = {
    "tiny": (12, 192, 3), "small": (12, 384, 6), "base": (12, 768, 12), "large": (24, 1024, 16),
}  # fmt: skip
_SOURCE = "Dosovitskiy et al.: An Image is Worth 16x16 Words, arXiv 2010.11929"


def vit(
    size: str = "base", patch: int = 16, image: int = 224, classes: int = 1000, batch: int = 1
) -> Network:
    """ViT of ``size`` tiny, small, base or large with a class token."""
    chosen(size, _SIZES, "size")
    if image % patch:
        raise InputError(f"patches of {patch} do not divide an image of {image}")
    depth, width, heads = _SIZES[size]
    b = Builder(batch)
    x = Value((3, image, image))
    x = b.conv("patches", x, width, patch, stride=patch, padding=0, bias=True)
    tokens = x.elements // width + 1
    x = x.reshaped(tokens, width)
    # Position embeddings and the class token.
    x = b.vector("add", x, parameters=(tokens + 1) * width, name="positions")
    for i in range(depth):
        with b.scope(f"block{i}"):
            x = encoder_block(b, x, heads)
    x = b.layer_norm(x, "norm")
    b.linear("head", x.reshaped(1, width), classes)
    return b.network(f"vit_{size}_{patch}", _SOURCE)


def encoder_block(b: Builder, x: Value, heads: int) -> Value:
    """Attention and a feed-forward layer of four times the width, each after a layer norm."""
    tokens, width = x.shape
    y = b.linear("qkv", b.layer_norm(x, "norm1"), 3 * width)
    q = k = v = y.reshaped(tokens, width)
    x = b.vector("add", b.linear("projection", b.attention(q, k, v, heads), width), x)
    y = b.vector("gelu", b.linear("fc1", b.layer_norm(x, "norm2"), 4 * width))
    return b.vector("add", b.linear("fc2", y, width), x)
