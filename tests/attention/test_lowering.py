"""What patterns are lowered to computes exactly their pairs, whoever makes the tiles."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.lowering import Lowered, lower
from accelgen.attention.accelerator.rows import Setting, allowed, tiles_of, walk_of
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.block_streaming import BlockStreaming
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.radial import Radial
from accelgen.attention.patterns.s2 import S2
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.shape import AttentionShape
from accelgen.rtl.attention.lists import BLOCKS, LIST, TOKENS
from tests.tiers import examples

DIM = 16
PATTERNS: tuple[Pattern, ...] = (
    Dense(),
    Streaming(sink=3, recent=9),
    Streaming(sink=0, recent=5),
    BlockStreaming(sink_blocks=1, local_blocks=2, block=16),
    BlockStreaming(sink_blocks=2, local_blocks=1, block=8),
    S2(local=2, stride=3, block=16),
    Radial(frame=10),
)


def pairs(core: Core, shape: AttentionShape, lowered: Lowered) -> np.ndarray:
    """``[heads, queries, keys]``: what the accelerator computes."""
    setting = Setting(keys=shape.keys, offset=shape.offset, **lowered.registers)
    rows = core.numerics.rows
    found = np.zeros((shape.heads, shape.queries, -(-shape.keys // rows) * rows), dtype=bool)
    for group in lowered.groups:
        walk = walk_of(core, setting, group)
        for tile in tiles_of(walk):
            if tile.column is None:
                continue
            part = allowed(core, setting, group, tile)
            for row in range(len(part)):
                lane = row % rows
                token = group.row * core.tokens + row // rows * core.tokens_per_tile
                token += lane // core.group
                if lane < core.tokens_per_tile * core.group and token < shape.queries:
                    head = group.head * core.group + lane % core.group
                    keys = slice(tile.column * rows, (tile.column + 1) * rows)
                    found[head, token, keys] = part[row]
    return found[:, :, : shape.keys]


@given(st.data())
@settings(max_examples=examples(40, 600), deadline=None)
def test_pairs(data: st.DataObject) -> None:
    group = data.draw(st.sampled_from([1, 2, 3]))
    kv_heads = data.draw(st.integers(1, 3))
    core = Core(Numerics(DIM, DIM, 8), group=group, query_tiles=data.draw(st.integers(1, 2)))
    keys = data.draw(st.integers(1, 70))
    causal = data.draw(st.booleans())
    queries = data.draw(st.integers(1, keys))
    shape = AttentionShape(queries, keys, group * kv_heads, kv_heads, DIM, DIM, causal)
    patterns = [data.draw(st.sampled_from(PATTERNS)) for _ in range(shape.heads)]
    lowered = lower(core, shape, patterns)
    expected = np.stack(
        [pattern.masks(shape)[head].dense() for head, pattern in enumerate(patterns)]
    )
    assert (pairs(core, shape, lowered) == expected).all()


def kinds(patterns: list[Pattern], shape: AttentionShape, core: Core) -> list[int]:
    lowered = lower(core, shape, patterns)
    return [LIST if rule is None else rule.kind for rule in lowered.rules]


def test_counters_make_what_they_can() -> None:
    core = Core(Numerics(DIM, DIM, 8))
    shape = AttentionShape(64, 64, 4, 4, DIM, DIM)
    streaming, s2 = Streaming(sink=3, recent=9), S2(local=2, stride=3, block=16)
    assert kinds([streaming] * 4, shape, core) == [TOKENS] * 4
    assert kinds([s2] * 4, shape, core) == [BLOCKS] * 4
    # One window at a time: heads that need another are given lists.
    assert kinds([streaming, Dense(), streaming, s2], shape, core) == [TOKENS, LIST, TOKENS, LIST]
    assert kinds([Radial(frame=10)] * 4, shape, core) == [LIST] * 4
    across = AttentionShape(64, 64, 4, 4, DIM, DIM, causal=False)
    assert kinds([streaming] * 4, across, core) == [LIST] * 4


def test_heads_that_share_keys_need_one_rule() -> None:
    core = Core(Numerics(DIM, DIM, 8), group=2)
    shape = AttentionShape(32, 32, 2, 1, DIM, DIM)
    assert kinds([S2(local=2, stride=4, block=8)] * 2, shape, core) == [LIST]
    assert kinds([S2(local=2, stride=1, block=8)] * 2, shape, core) == [BLOCKS]
