"""Random problems for attention accelerators: codes of every format, lists, rules, selections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import TENSORS, Core
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import Entry, RowGroup, Setting
from accelgen.attention.accelerator.tiling import row_group_count
from accelgen.cosim.attention_broken import misheaded, spoilt
from accelgen.rtl.attention.decoder import GRID_BITS
from accelgen.rtl.attention.lists import BLOCKS, LIST, SELECT, TOKENS
from accelgen.rtl.attention.tile_info import CAUSAL, MASKED, WINDOW

__all__ = ["Draw", "Fill", "deal", "draw_codes", "draw_entries", "draw_problem"]

Fill = Literal["any", "extreme", "zeros"]
Ints = NDArray[np.int64]

_KINDS = (LIST, TOKENS, BLOCKS)


@dataclass(frozen=True)
class Draw:
    """What a random problem is like.

    ``kinds`` of row groups; lists keep a tile with probability ``density``, and give it a mask with
    probability ``masked``.  ``fill``: any codes, those of the largest magnitudes, or zeros.
    ``faults`` are drawn from for every list, and ``headers`` for half of all row groups, where
    there are some (see attention_broken).  Kind SELECT is for cores with a selector; where its
    blocks are less than a tile, kind BLOCKS beside it is a fault.  Nothing else is one.
    """

    queries: int
    keys: int
    heads: int = 1
    kinds: Sequence[int] = _KINDS
    density: float = 0.5
    masked: float = 0.3
    fill: Fill = "any"
    faults: Sequence[str] = ()
    headers: Sequence[str] = ()


def draw_problem(core: Core, rng: np.random.Generator, draw: Draw) -> Problem:
    """A problem of ``heads`` KV heads, all their row groups in order, with random registers."""
    n = core.numerics
    shapes = {
        "q": (draw.heads, core.group, draw.queries, n.head_dim),
        "k": (draw.heads, draw.keys, n.head_dim),
        "v": (draw.heads, draw.keys, n.value_dim),
    }
    codes: dict[str, Ints] = {}
    scales: dict[str, Ints] = {}
    for tensor in TENSORS:
        codes[tensor], found = draw_codes(core, tensor, shapes[tensor], rng, draw.fill)
        if found is not None:
            scales[tensor] = found
    setting = _setting(core, rng, draw)
    groups = []
    for head in range(draw.heads):
        for row in range(row_group_count(core, draw.queries)):
            kind = int(rng.choice(draw.kinds))
            if kind == LIST:
                entries = draw_entries(core, rng, draw)
                group = RowGroup(row, LIST, entries, 0, head)
                if draw.faults:
                    group = spoilt(core, rng, group, str(rng.choice(draw.faults)), draw.keys)
            elif kind == SELECT:
                group = _selecting(core, rng, draw, setting, row, head)
            else:
                phase = int(rng.integers(0, max(1, setting.stride)))
                group = RowGroup(row, kind, (), phase, head)
            if draw.headers and rng.random() < 0.5:
                group = misheaded(core, rng, group, setting, str(rng.choice(draw.headers)))
            groups.append(group)
    summaries = None
    if SELECT in draw.kinds:
        blocks = -(-draw.keys // (1 << setting.block_shift))
        shape = (draw.heads, blocks, 2, n.head_dim)
        summaries, found = draw_codes(core, "k", shape, rng, draw.fill)
        if found is not None:
            scales["summary"] = found
    return Problem(core, setting, groups, codes["q"], codes["k"], codes["v"], scales, summaries)


def _selecting(
    core: Core, rng: np.random.Generator, draw: Draw, setting: Setting, row: int, head: int
) -> RowGroup:
    """A row group whose rows select blocks, by bounds or by vectors of their own."""
    tokens = min(core.tokens, draw.queries - row * core.tokens)
    rows = tokens * core.group
    if rng.random() < 0.2:
        rows = int(rng.integers(1, core.numerics.rows, endpoint=True))
    return RowGroup(
        row,
        SELECT,
        head=head,
        blocks=-(-draw.keys // (1 << setting.block_shift)),
        rows=rows,
        bounds=bool(rng.random() < 0.5),
    )


def draw_entries(core: Core, rng: np.random.Generator, draw: Draw) -> list[Entry]:
    """Tiles in order with random flags and masks; at least one."""
    rows = core.numerics.rows
    entries = []
    for column in range(-(-draw.keys // rows)):
        if rng.random() < draw.density:
            flags = int(rng.choice([0, CAUSAL, CAUSAL | WINDOW]))
            mask = None
            if rng.random() < draw.masked:
                flags |= MASKED
                # Some rows see nothing, some all.
                share = rng.choice([0.0, 0.5, 1.0], (core.query_tiles * rows, 1))
                mask = rng.random((core.query_tiles * rows, rows)) < share
            entries.append(Entry(column, flags, mask))
    return entries or [Entry(0)]


def deal(core: Core, problem: Problem) -> list[Problem]:
    """The row groups of a problem, dealt to the arrays of a core in turn."""
    return [
        replace(problem, groups=problem.groups[array :: core.arrays])
        for array in range(core.arrays)
    ]


def draw_codes(
    core: Core, tensor: str, shape: tuple[int, ...], rng: np.random.Generator, fill: Fill = "any"
) -> tuple[Ints, Ints | None]:
    """Codes (of integers, values), and scales of their blocks where the format has some.

    Floats of 16 bits are drawn near 1, as are scales that are powers of two; else any bits are,
    also those of infinities, which count as what their fields say.
    """
    decoding = core.decoding(tensor)
    width = decoding.code_bits
    if fill == "zeros":
        codes = np.zeros(shape, dtype=np.int64)
    elif fill == "extreme":
        every = np.arange(1 << width)
        significand, exponent = decoding.table.parts(every)
        size = np.abs(significand) * 2.0 ** np.clip(exponent, -1000, 1000)
        codes = rng.choice(np.flatnonzero(size == size.max()), shape)
        if decoding.whole:
            # Both ends of two's complement, of which only one is the largest.
            codes = rng.choice([(1 << (width - 1)) - 1, 1 << (width - 1)], shape)
    else:
        codes = rng.integers(0, 1 << width, shape)
        if width == 16 and not decoding.whole:
            codes = (codes & 0x807F) | (rng.integers(118, 131, shape) << 7)
    if decoding.whole:
        codes = codes - ((codes >> (width - 1)) << width)
    if not decoding.block:
        return codes, None
    blocks = (*shape[:-1], shape[-1] // decoding.block)
    if decoding.other is not None:
        low, high = 0, 255
    elif decoding.scale is not None:
        low, high = 0, 126
    else:
        low, high = 115, 134
    if fill == "extreme":
        # Of powers of two the largest that is a number.
        highest = high if decoding.scale is not None else 254
        return codes, np.full(blocks, highest, dtype=np.int64)
    return codes, rng.integers(low, high, blocks, endpoint=True)


def _setting(core: Core, rng: np.random.Generator, draw: Draw) -> Setting:
    keys = draw.keys
    least_shift = (max(core.numerics.rows, core.tokens) - 1).bit_length()
    # As coarse or fine as there is, now and then.
    reach = 1 << (GRID_BITS - 1)
    low, high = (-reach, reach) if rng.random() < 0.1 else (-4, 12)
    shift, top = least_shift + int(rng.integers(0, 2)), 1
    sink = int(rng.integers(0, keys)) if rng.random() < 0.5 else min(4, keys)
    local = int(rng.integers(0 if sink else 1, 4))
    if SELECT in draw.kinds:
        assert core.selector is not None
        # Also pages that are less than a tile.
        shift = int(rng.integers(0, least_shift + 2))
        while -(-keys // (1 << shift)) > core.selector.max_scores:
            shift += 1
        top, local = int(rng.integers(1, core.selector.max_k + 1)), int(rng.integers(0, 3))
        if rng.random() < 0.7:
            # So few that most blocks are selected by their scores.
            sink = min(int(rng.integers(0, (2 << shift) + 1)), keys)
    grids = {
        f"{tensor}_grid": int(rng.integers(low, high))
        for tensor in TENSORS
        if not core.decoding(tensor).whole
    }
    return Setting(
        keys=keys,
        offset=max(0, keys - draw.queries) if rng.random() < 0.5 else 0,
        scale=int(rng.integers(1, 65536)),
        shift=int(rng.integers(4, 20)),
        sink=sink,
        # A row group of no tile at all would be a fault.
        window=int(rng.integers(0 if sink else 1, keys + 1)),
        local=local,
        stride=int(rng.integers(0, 4)),
        block_shift=shift,
        top=top,
        **grids,
    )
