"""The row groups of an attention layer under a pattern, counted or sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.tiling import row_group_count
from accelgen.attention.inputs import random_inputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.network.cost import HeadWork
from accelgen.attention.network.scoring import scoring_note, scoring_tiles
from accelgen.attention.network.tile_counts import TileFigures, tile_figures
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.svg import Svg
from accelgen.attention.patterns.svg2 import Svg2
from accelgen.attention.patterns.window_pruning import WindowPruning
from accelgen.attention.shape import AttentionShape

__all__ = [
    "CHUNK",
    "MOST_PAIRS",
    "SAMPLED_HEADS",
    "Sample",
    "drawn_shape",
    "head_work",
    "sampled_work",
]

Ints = NDArray[np.int64]

SAMPLED_HEADS = 2
"""Heads of keys and values for which tensors are drawn."""
MOST_PAIRS = 1 << 25
"""Pairs of a query and a key of one head up to which all queries are looked at."""
CHUNK = 512
"""Queries that are looked at together where these are more."""
CHUNKS = 5


@dataclass(frozen=True)
class Sample:
    """What stands for a layer whose pattern looks at tensors, and how in words."""

    work: tuple[HeadWork, ...]
    note: str


def head_work(
    core: Core,
    shape: AttentionShape,
    masks: Sequence[HeadMask],
    batch: int = 1,
    scoring: Ints | None = None,
) -> tuple[HeadWork, ...]:
    """The work of one mask per query head, heads of equal masks counted once.

    Where more query heads share keys than fit in a row group, they make several, each of which
    reads the keys anew.
    """
    times: dict[tuple[int, ...], int] = {}
    found: dict[tuple[int, ...], list[HeadMask]] = {}
    for kv_head in range(shape.kv_heads):
        for first in range(0, shape.group, core.group):
            start = kv_head * shape.group + first
            part = list(masks[start : start + min(core.group, shape.group - first)])
            # The order of heads in a row group changes no count.
            key = tuple(sorted(id(mask) for mask in part))
            times[key] = times.get(key, 0) + batch
            found[key] = part
    return tuple(
        HeadWork(tile_figures(core, shape, part), len(part), times[key], scoring)
        for key, part in found.items()
    )


def sampled_work(
    core: Core,
    shape: AttentionShape,
    pattern: Pattern,
    *,
    seed: int,
    layer: int,
    batch: int = 1,
    stage: Callable[[str], None] = lambda text: None,
) -> Sample:
    """The work of a dynamic pattern on drawn tensors.

    :data:`SAMPLED_HEADS` heads of keys and values, with their query heads, stand in turn for all.
    Beyond :data:`MOST_PAIRS` pairs a head, :data:`CHUNKS` times :data:`CHUNK` queries (of a causal
    shape with the keys up to them) stand for all queries; between them tiles are interpolated.
    ``stage`` is told what is looked at.
    """
    part = _sampled_heads(shape, pattern)
    count = part.kv_heads
    scoring = scoring_tiles(core, shape, pattern, _dense_tiles(core, shape), layer)
    said = [f"{count} of {shape.kv_heads} heads of keys and values, seed {seed}"]
    if _looks_at_all(shape, pattern):
        stage(f"{pattern.name}, {shape.queries} queries")
        inputs = random_inputs(part, seed)
        work = head_work(core, part, pattern.masks(part, inputs, layer=layer), 1, scoring)
    else:
        work = _chunked(core, part, pattern, seed, layer, scoring, stage)
        said.append(f"{CHUNKS} times {CHUNK} of {shape.queries} queries")
    said.append(scoring_note(pattern))
    # Every one stands for as many more.
    shared = _shared_out(work, shape.kv_heads, count)
    scaled = tuple(replace(one, times=one.times * batch) for one in shared)
    return Sample(scaled, "; ".join(said))


def drawn_shape(shape: AttentionShape, pattern: Pattern) -> tuple[AttentionShape, int]:
    """The shape of the tensors that :func:`sampled_work` draws, and how much is added to the seed:
    of the last queries where they are looked at in parts.
    """
    part = _sampled_heads(shape, pattern)
    if _looks_at_all(shape, pattern):
        return part, 0
    return replace(part, queries=CHUNK), CHUNKS - 1


def _sampled_heads(shape: AttentionShape, pattern: Pattern) -> AttentionShape:
    count = min(SAMPLED_HEADS, shape.kv_heads)
    if getattr(pattern, "gates", None):
        count = shape.kv_heads
    return replace(shape, heads=count * shape.group, kv_heads=count)


def _looks_at_all(shape: AttentionShape, pattern: Pattern) -> bool:
    """Whether all queries are looked at together."""
    # These do not look at every pair.
    whole = isinstance(pattern, Svg | Svg2 | WindowPruning)
    return whole or shape.queries * shape.keys <= MOST_PAIRS or shape.queries <= CHUNK


def _shared_out(work: tuple[HeadWork, ...], heads: int, sampled: int) -> tuple[HeadWork, ...]:
    """Times so that ``sampled`` heads stand for ``heads``; what is left goes to the first ones."""
    left = heads % sampled
    found = []
    for one in work:
        more = min(left, one.times)
        left -= more
        found.append(replace(one, times=one.times * (heads // sampled) + more))
    return tuple(found)


def _dense_tiles(core: Core, shape: AttentionShape) -> Ints:
    """Tiles per row group without a mask."""
    rows, count = core.numerics.rows, row_group_count(core, shape.queries)
    last = np.full(count, shape.keys)
    if shape.causal:
        end = np.minimum((np.arange(count) + 1) * core.tokens, shape.queries)
        last = end + shape.offset
    return np.asarray(-(-last // rows), dtype=np.int64)


def _chunked(
    core: Core,
    shape: AttentionShape,
    pattern: Pattern,
    seed: int,
    layer: int,
    scoring: Ints | None,
    stage: Callable[[str], None],
) -> tuple[HeadWork, ...]:
    """Every group of query heads from some chunks of queries."""
    firsts = np.linspace(0, shape.queries - CHUNK, CHUNKS).astype(np.int64)
    centres, measured = [], []
    for number, first in enumerate(firsts.tolist()):
        stage(f"{pattern.name}, part {number + 1} of {CHUNKS} of {shape.queries} queries")
        keys = first + shape.offset + CHUNK if shape.causal else shape.keys
        chunk = replace(shape, queries=CHUNK, keys=keys)
        masks = pattern.masks(chunk, random_inputs(chunk, seed + number), layer=layer)
        whole = max(1, CHUNK // core.tokens)
        per_head = []
        for start in range(0, shape.heads, shape.group):
            some = masks[start : start + min(core.group, shape.group)]
            found = tile_figures(core, chunk, some)
            per_head.append(
                [part[:whole].mean() for part in (found.tiles, found.masked, found.pairs)]
            )
        measured.append(per_head)
        centres.append(first + CHUNK / 2)
    table = np.array(measured)
    count = row_group_count(core, shape.queries)
    at = (np.arange(count) + 0.5) * core.tokens
    work = []
    parts = -(-shape.group // min(core.group, shape.group))
    for head in range(shape.kv_heads):
        tiles, masked, pairs = (
            np.rint(np.interp(at, centres, table[:, head, k])).astype(np.int64) for k in range(3)
        )
        figures = TileFigures(tiles, np.minimum(masked, tiles), pairs)
        work.append(HeadWork(figures, min(core.group, shape.group), parts, scoring))
    return tuple(work)
