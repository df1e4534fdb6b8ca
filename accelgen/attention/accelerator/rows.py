"""Row groups: what the list stream says, and what the scheduler makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import LIST_BITS, Core
from accelgen.attention.accelerator.tiling import row_tokens
from accelgen.errors import InputError
from accelgen.rtl.attention.lists import BLOCKS, LIST, SELECT
from accelgen.rtl.attention.tile_info import (
    CAUSAL,
    LOWER,
    MASKED,
    POSITION_BITS,
    UPPER,
    WHOLE,
    WINDOW,
)

__all__ = ["Entry", "RowGroup", "Setting", "Step", "Tile", "Walk", "allowed", "list_packet",
           "out_of_range", "tiles_of", "walk_of"]  # fmt: skip

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Setting:
    """The registers of a problem (see :mod:`accelgen.attention.accelerator.registers`)."""

    keys: int
    offset: int = 0
    scale: int = 1
    shift: int = 1
    sink: int = 0
    window: int = 0
    local: int = 0
    stride: int = 0
    block_shift: int = 6
    top: int = 1
    q_grid: int = 0
    k_grid: int = 0
    v_grid: int = 0


@dataclass(frozen=True, eq=False)
class Entry:
    """A tile of keys with its flags (see tile_info); with MASKED a ``mask`` ``[rows of the group,
    keys of the tile]``.
    """

    column: int
    flags: int = 0
    mask: Bools | None = None


@dataclass(frozen=True, eq=False)
class RowGroup:
    """One packet of the list stream, for the keys and values of head ``head``.

    Of kind SELECT, ``blocks`` are scored for ``rows`` rows, by ``bounds`` or by vectors of their
    own.  ``count`` is what the header says when that is not the number of entries; ``beats_cut``
    leaves out beats at the end: both make a list malformed.
    """

    row: int
    kind: int = LIST
    entries: Sequence[Entry] = ()
    phase: int = 0
    head: int = 0
    blocks: int = 0
    rows: int = 0
    bounds: bool = False
    count: int | None = None
    beats_cut: int = 0


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile the scheduler passes on; ``column`` is None where there is none at all.

    With a ``summary`` (see tile_info) its keys are those of blocks ``column * rows`` and on.
    """

    column: int | None
    flags: int = 0
    mask: Bools | None = None
    first: bool = False
    last: bool = False
    summary: int = 0


@dataclass(frozen=True)
class Step:
    """What the scheduler does for ``cycles`` cycles, as soon as it can.

    ``emits``: it passes on the tile it holds.  ``room``: it waits until there is room for one,
    whether it passes one on or not.  ``mask_room``: it waits for a slot for a mask, which only what
    has one does.
    ``mask_taken``: its last cycle takes one.  ``selection``: it waits until blocks are selected.
    """

    cycles: int = 1
    emits: bool = False
    room: bool = False
    mask_room: bool = False
    mask_taken: bool = False
    selection: bool = False


@dataclass
class Walk:
    """What comes of the packet of a row group: steps of the scheduler, entries, faults."""

    steps: list[Step] = field(default_factory=list)
    kept: list[Entry] = field(default_factory=list)
    faults: set[str] = field(default_factory=set)
    held: bool = False
    summaries: list[Tile] = field(default_factory=list)

    def hold(self, entry: Entry) -> None:
        """Keep an entry; the one before was passed on."""
        self.kept.append(entry)
        self.held = True


def tiles_of(walk: Walk) -> list[Tile]:
    """The tiles that are computed for a row group.

    Where the scheduler holds nothing at the end of the list (there were no entries, or the last one
    is cut), a tile without pairs ends the row group.
    """
    tiles = [Tile(e.column, e.flags, e.mask, n == 0) for n, e in enumerate(walk.kept)]
    if walk.held:
        return [*walk.summaries, *tiles[:-1], replace(tiles[-1], last=True)]
    return [*walk.summaries, *tiles, Tile(None, first=not tiles, last=True)]


def walk_of(core: Core, setting: Setting, group: RowGroup, selected: Bools | None = None) -> Walk:
    """Follow the packet of a row group, beat by beat, as the scheduler does.

    ``selected`` ``[rows, blocks]``, of kind SELECT: the blocks that every row selects.
    """
    walk = Walk()
    walk.steps.append(Step())
    refused = out_of_range(core, setting, group)
    if refused:
        walk.faults.add("outside")
    if group.kind == LIST:
        _listed(core, setting, group, walk, refused=refused)
    elif refused:
        walk.steps.append(Step())
    elif group.kind == SELECT:
        walk.steps.append(Step())
        _selected(core, setting, group, walk, selected)
    else:
        walk.steps.append(Step())
        flags = CAUSAL if group.kind == BLOCKS else CAUSAL | WINDOW
        for column, chosen in _counted(core, setting, group):
            walk.steps.append(Step(emits=chosen and walk.held, room=chosen and walk.held))
            if chosen:
                walk.hold(Entry(column, flags))
    if not walk.kept:
        walk.faults.add("empty")
    walk.steps.append(Step(emits=True, room=True))
    return walk


def out_of_range(core: Core, setting: Setting, group: RowGroup) -> bool:
    """Whether a number of a row group is none that the scheduler takes: it then gives zeros."""
    if setting.offset + group.row * core.tokens >= 1 << POSITION_BITS:
        return True
    if group.kind == BLOCKS:
        less = 1 << setting.block_shift < core.numerics.rows
        return less or 0 < setting.stride <= group.phase
    if group.kind == SELECT:
        most = core.selector.max_scores if core.selector else -1
        return group.blocks > most or not 1 <= group.rows <= core.numerics.rows
    return False


def _selected(
    core: Core, setting: Setting, group: RowGroup, walk: Walk, selected: Bools | None
) -> None:
    """Have blocks scored; then look at every tile, and make masks of those that a row sees."""
    if selected is None:
        return
    rows = core.numerics.rows
    for column in range(-(-group.blocks // rows)):
        for summary in (UPPER, LOWER) if group.bounds else (WHOLE,):
            walk.summaries.append(Tile(column, summary=summary))
            walk.steps.append(Step(emits=True, room=True))
    walk.steps.append(Step(selection=True))
    position = setting.offset + group.row * core.tokens
    highest = min(position + core.tokens - 1, setting.keys - 1) // rows
    pages = max(1, rows >> setting.block_shift)
    for column in range(highest + 1):
        block = (column * rows + np.arange(rows)) >> setting.block_shift
        inside = block < group.blocks
        mask = selected[:, np.minimum(block, group.blocks - 1)] & inside
        walk.steps.append(Step(pages + 1))
        walk.steps.append(Step(mask_room=bool(mask.any())))
        if not mask.any():
            continue
        walk.steps.append(Step(rows))
        walk.steps.append(Step(emits=walk.held, room=walk.held, mask_taken=True))
        walk.hold(Entry(column, CAUSAL | MASKED, mask))


def _listed(core: Core, setting: Setting, group: RowGroup, walk: Walk, *, refused: bool) -> None:
    """Follow the entries; of a row group that is refused, all are left out."""
    columns = -(-setting.keys // core.numerics.rows)
    remaining = len(group.entries) if group.count is None else group.count
    per_mask = mask_beats(core)
    beats = [
        entry for e in group.entries for entry in [e] * (1 + per_mask * bool(e.flags & MASKED))
    ]
    beats = beats[: len(beats) - group.beats_cut]
    if (remaining != 0) != bool(beats):
        walk.faults.add("length")
    at = 0
    while at < len(beats) and remaining:
        entry = beats[at]
        outside = entry.column >= columns
        unsorted = not outside and bool(walk.kept) and entry.column <= walk.kept[-1].column
        walk.faults |= {"outside"} if outside else {"unsorted"} if unsorted else set()
        legal = not (outside or unsorted or refused)
        masked = bool(entry.flags & MASKED)
        walk.steps.append(Step(1, legal and walk.held, walk.held, mask_room=masked))
        walk.held = walk.held and not legal
        remaining -= 1
        at += 1
        complete = True
        if masked and at < len(beats):
            words, complete = _mask_words(core, len(beats) - at)
            walk.steps.append(Step(words, mask_taken=legal and complete))
            at += per_mask
        elif masked:
            complete = False
        if legal and complete:
            walk.hold(entry)
        if not complete or (at < len(beats)) == (remaining == 0):
            walk.faults.add("length")
    # What the header did not announce is taken and left.
    walk.steps += [Step()] * max(0, len(beats) - at)


def _mask_words(core: Core, beats: int) -> tuple[int, bool]:
    """Words of a mask in at most ``beats`` beats, and whether it is whole."""
    words, per_beat = core.query_tiles * core.numerics.rows, LIST_BITS // core.numerics.rows
    return min(words, beats * per_beat), beats * per_beat >= words


def mask_beats(core: Core) -> int:
    """Beats of the mask of an entry."""
    rows = core.numerics.rows
    return -(-core.query_tiles * rows // (LIST_BITS // rows))


def _counted(core: Core, setting: Setting, group: RowGroup) -> Iterator[tuple[int, bool]]:
    """Every tile the scheduler looks at, a cycle each, and whether it is chosen."""
    rows, s = core.numerics.rows, setting
    position = s.offset + group.row * core.tokens
    highest = min(position + core.tokens - 1, s.keys - 1) // rows
    by_block = group.kind == BLOCKS
    if by_block:
        block = position >> s.block_shift
        nearest = (max(block - s.local + 1, 0) << s.block_shift) // rows
    else:
        nearest = max(position - s.window + 1, 0) // rows
    sinks = -(-s.sink // rows)
    strided = by_block and s.stride > 0
    tile = 0
    while True:
        chosen = tile <= highest and (tile < sinks or tile >= nearest)
        if strided and tile <= highest:
            chosen |= ((tile * rows >> s.block_shift) + group.phase) % s.stride == 0
        yield tile, chosen
        if tile >= highest:
            return
        tile += 1
        if not strided and sinks <= tile < nearest:
            tile = nearest


def allowed(core: Core, setting: Setting, group: RowGroup, tile: Tile) -> Bools:
    """``[rows of the group, keys of a tile]``: the pairs of a tile that are computed."""
    n = core.numerics
    size = core.query_tiles * n.rows
    if tile.column is None:
        return np.zeros((size, n.rows), dtype=np.bool_)
    position = (setting.offset + row_tokens(core, group.row))[:, None]
    key = (tile.column * n.rows + np.arange(n.rows))[None, :]
    result = np.broadcast_to(key < setting.keys, (size, n.rows)).copy()
    if tile.flags & CAUSAL:
        result &= key <= position
    if tile.flags & WINDOW:
        result &= (position - key < setting.window) | (key < setting.sink)
    if tile.flags & MASKED:
        assert tile.mask is not None
        result &= tile.mask
    return result


def list_packet(core: Core, group: RowGroup) -> NDArray[np.uint8]:
    """The beats of a row group, ``[beats, 8]`` bytes.

    Raises :class:`InputError` for numbers that the fields of a packet do not hold.
    """
    rows = core.numerics.rows
    count = len(group.entries) if group.count is None else group.count
    number = {LIST: count, SELECT: group.blocks}.get(group.kind, group.phase)
    named = [("row", group.row), ("header", number)]
    named += [("column", entry.column) for entry in group.entries]
    for name, value in named:
        if not 0 <= value < 1 << POSITION_BITS:
            raise InputError(
                f"{value} is not in 0..{(1 << POSITION_BITS) - 1}",
                where=f"row group {group.row}: {name}",
                hint="split the problem into smaller ones",
            )
    words = [group.row | number << 24 | group.kind << 48]
    if group.kind == SELECT:
        words[0] |= group.rows << 50 | int(group.bounds) << 57
    for entry in group.entries:
        words.append(entry.column | entry.flags << 24)
        if entry.flags & MASKED:
            assert entry.mask is not None
            by_key = entry.mask.reshape(core.query_tiles, rows, rows).transpose(0, 2, 1)
            bits = by_key.reshape(-1)
            padded = np.zeros(mask_beats(core) * LIST_BITS, dtype=np.bool_)
            padded[: len(bits)] = bits
            octets = np.packbits(padded, bitorder="little").reshape(-1, LIST_BITS // 8)
            words += [int.from_bytes(octet.tobytes(), "little") for octet in octets]
    if group.beats_cut:
        words = words[: -group.beats_cut]
    return np.array([list(word.to_bytes(LIST_BITS // 8, "little")) for word in words], np.uint8)
