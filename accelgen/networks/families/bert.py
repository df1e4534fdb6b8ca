"""BERT: the encoder with its embeddings and pooler."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.choice import at_most, chosen
from accelgen.networks.network import Network

__all__ = ["bert"]

_SIZES = {"base": (12, 768, 12), "large": (24, 1024, 16)}
_SOURCE = "Devlin et al.: BERT, arXiv 1810.04805; vocabulary of the uncased models"


def bert(
    size: str = "base",
    tokens: int = 128,
    batch: int = 1,
    vocabulary: int = 30522,
    positions: int = 512,
) -> Network:
    """BERT of ``size`` base or large on sequences of ``tokens``, at most ``positions``."""
    chosen(size, _SIZES, "size")
    at_most(tokens, positions, "tokens")
    depth, width, heads = _SIZES[size]
    b = Builder(batch)
    with b.scope("embeddings"):
        x = b.vector(
            "lookup", Value((tokens, width)), elements=3 * tokens * width,
            parameters=(vocabulary + positions + 2) * width,
        )  # fmt: skip
        x = b.vector("add", x, elements=2 * tokens * width)
        x = b.layer_norm(x, "norm")
    for i in range(depth):
        with b.scope(f"layer{i}"):
            x = _block(b, x, heads)
    with b.scope("pooler"):
        b.vector("tanh", b.linear("dense", x.reshaped(1, width), width))
    return b.network(f"bert_{size}", _SOURCE)


def _block(b: Builder, x: Value, heads: int) -> Value:
    width = x.shape[1]
    q, k, v = (b.linear(name, x, width) for name in ("query", "key", "value"))
    y = b.linear("attention_output", b.attention(q, k, v, heads), width)
    x = b.layer_norm(b.vector("add", y, x), "attention_norm")
    y = b.vector("gelu", b.linear("intermediate", x, 4 * width))
    y = b.linear("output", y, width)
    return b.layer_norm(b.vector("add", y, x), "output_norm")
