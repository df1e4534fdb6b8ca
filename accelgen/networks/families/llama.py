"""Llama: grouped-query attention, rotary positions, gated feed-forward layers, no biases."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.choice import chosen
from accelgen.networks.families.decoding import logit_rows, new_tokens
from accelgen.networks.network import Network

__all__ = ["llama"]

# Layers, width, heads, heads of keys and values, width inside, vocabulary.
_MODELS = {
    "llama2_7b": (32, 4096, 32, 32, 11008, 32000),
    "llama2_13b": (40, 5120, 40, 40, 13824, 32000),
    "llama3_8b": (32, 4096, 32, 8, 14336, 128256),
    "llama3_70b": (80, 8192, 64, 8, 28672, 128256),
}
_SOURCES = {
    "llama2": "Touvron et al.: Llama 2, arXiv 2307.09288",
    "llama3": "Grattafiori et al.: The Llama 3 Herd of Models, arXiv 2407.21783",
}


def llama(
    model: str = "llama3_8b",
    mode: str = "prefill",
    context: int = 2048,
    logits: str = "all",
    batch: int = 1,
) -> Network:
    """A Llama: ``prefill`` of ``context`` tokens, or ``decode`` of the last of them.

    ``model``: llama2_7b, llama2_13b, llama3_8b or llama3_70b; ``logits``: of ``all`` new tokens
    or of the ``last``.
    """
    chosen(model, _MODELS, "model")
    depth, width, heads, groups, inner, vocabulary = _MODELS[model]
    tokens = new_tokens(mode, context)
    b = Builder(batch)
    x = b.vector("lookup", Value((tokens, width)), parameters=vocabulary * width, name="embeddings")
    for i in range(depth):
        with b.scope(f"layer{i}"):
            x = _attend(b, x, heads, groups, context)
            x = _feed_forward(b, x, inner)
    x = _norm(b, logit_rows(x, logits), "norm")
    b.linear("logits", x, vocabulary, bias=False)
    return b.network(f"{model}_{mode}", _SOURCES[model.partition("_")[0]])


def _attend(b: Builder, x: Value, heads: int, groups: int, context: int) -> Value:
    width = x.shape[1]
    shared = width // heads * groups
    y = _norm(b, x, "attention_norm")
    q = b.vector("rotate", b.linear("query", y, width, bias=False))
    k = b.vector("rotate", b.linear("key", y, shared, bias=False))
    v = b.linear("value", y, shared, bias=False)
    y = b.attention(q, k, v, heads, groups=groups, keys=context, causal=True)
    return b.vector("add", b.linear("attention_output", y, width, bias=False), x)


def _feed_forward(b: Builder, x: Value, inner: int) -> Value:
    y = _norm(b, x, "feed_forward_norm")
    gate = b.vector("silu", b.linear("gate", y, inner, bias=False))
    y = b.vector("multiply", gate, b.linear("up", y, inner, bias=False))
    return b.vector("add", b.linear("down", y, x.shape[1], bias=False), x)


def _norm(b: Builder, x: Value, name: str) -> Value:
    return b.vector("rms_norm", x, parameters=x.shape[1], name=name)
