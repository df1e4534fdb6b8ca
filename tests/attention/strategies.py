"""Shapes of attention, drawn: causal, cross, decode, chunks, that blocks do not divide."""

from __future__ import annotations

from hypothesis import strategies as st

from accelgen.attention.shape import AttentionShape


@st.composite
def shapes(
    draw: st.DrawFn, most: int = 60, *, more_queries: bool = True, dim: int = 4
) -> AttentionShape:
    keys = draw(st.integers(1, most))
    causal = draw(st.booleans())
    kind = draw(st.sampled_from(("all", "decode", "some")))
    limit = keys if causal or not more_queries else most
    queries = {"all": keys, "decode": 1, "some": draw(st.integers(1, limit))}[kind]
    kv_heads = draw(st.integers(1, 3))
    heads = kv_heads * draw(st.integers(1, 3))
    return AttentionShape(queries, keys, heads, kv_heads, dim, dim, causal)


blocks = st.integers(1, 20)
