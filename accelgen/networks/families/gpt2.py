"""GPT-2: a decoder whose output matrix is that of its embeddings."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.choice import at_most, chosen
from accelgen.networks.families.decoding import logit_rows, new_tokens
from accelgen.networks.network import Network

__all__ = ["gpt2"]

_SIZES = {
    "small": (12, 768, 12), "medium": (24, 1024, 16),
    "large": (36, 1280, 20), "xl": (48, 1600, 25),
}  # fmt: skip
_SOURCE = "Radford et al.: Language Models are Unsupervised Multitask Learners, 2019"
_VOCABULARY, _POSITIONS = 50257, 1024


def gpt2(
    mode: str = "prefill",
    context: int = 1024,
    size: str = "small",
    logits: str = "all",
    batch: int = 1,
) -> Network:
    """GPT-2: ``prefill`` of ``context`` tokens, or ``decode`` of the last of them.

    ``size``: small, medium, large or xl; ``logits``: of ``all`` new tokens or of the ``last``.
    """
    chosen(size, _SIZES, "size")
    at_most(context, _POSITIONS, "context")
    depth, width, heads = _SIZES[size]
    tokens = new_tokens(mode, context)
    b = Builder(batch)
    x = b.vector(
        "lookup", Value((tokens, width)), elements=2 * tokens * width,
        parameters=(_VOCABULARY + _POSITIONS) * width, name="embeddings",
    )  # fmt: skip
    x = b.vector("add", x)
    for i in range(depth):
        with b.scope(f"h{i}"):
            y = b.linear("qkv", b.layer_norm(x, "norm1"), 3 * width)
            q = k = v = y.reshaped(tokens, width)
            y = b.attention(q, k, v, heads, keys=context, causal=True)
            y = b.linear("projection", y, width)
            x = b.vector("add", y, x)
            y = b.vector("gelu", b.linear("fc", b.layer_norm(x, "norm2"), 4 * width))
            x = b.vector("add", b.linear("fc_projection", y, width), x)
    x = b.layer_norm(logit_rows(x, logits), "norm")
    b.linear("logits", x, _VOCABULARY, bias=False, tied=True)
    return b.network(f"gpt2_{size}_{mode}", _SOURCE)
