"""Block lists come in, checked; tiles to be computed and requests for their data go out."""

from __future__ import annotations

from amaranth.hdl import Array, C, Module, Mux, Signal, Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import LIST_BITS, Core
from accelgen.rtl.attention.outlet import Outlet
from accelgen.rtl.attention.rule_walk import RuleWalk
from accelgen.rtl.attention.selected_walk import SelectedWalk
from accelgen.rtl.attention.tile_info import CAUSAL, MASKED, POSITION_BITS, WINDOW, list_item
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["BLOCKS", "FAULTS", "LIST", "SELECT", "TOKENS", "Scheduler"]

FAULTS = ("unsorted", "outside", "empty", "length")
"""What is wrong with a list: bits of the status, from the lowest."""


LIST, TOKENS, BLOCKS, SELECT = range(4)
"""Kinds of row groups: entries follow the header, counters make the tiles, or a selector does."""


class State(enum.Enum):
    """Where the scheduler is in a packet."""

    HEADER = 0
    PLAN = 1
    RULE = 2
    SELECTED = 3
    ENTRY = 4
    MASK = 5
    REST = 6
    FINISH = 7


class Scheduler(wiring.Component):
    """A packet of the stream ``lists`` is a row group: a header, then its list of tiles of keys.

    Header: bits 0-23 the number of the row group (its first query token is at ``offset`` plus
    ``tokens`` times that), 24-47 how many entries follow, 48-49 the kind.  Entry: bits
    0-23 the tile of keys, 24-26 its flags (see tile_info).  After an entry with MASKED come
    ``query_tiles * rows`` words of ``rows`` bits, a word per key and a bit per row, as many in a
    beat as fit.  Tiles ascend.

    The position of the first query of a row group has at most POSITION_BITS bits.

    Kind TOKENS makes the tiles with keys below ``sink`` or among the last ``window`` of a query,
    masked to exactly these.  Kind BLOCKS works in blocks of ``2**block_shift`` tokens, at least a
    tile: those below ``sink`` tokens, the ``local`` last ones up to the query's, and with a
    ``stride`` those whose number plus the phase (bits 24-47 of the header, below the stride) it
    divides.  Both are causal.

    Kind SELECT, of a core with a selector, scores blocks of ``2**block_shift`` tokens first: bits
    24-47 of the header say how many, 50-56 of how many rows, and bit 57 that the keys of a block
    are bounds (see tile_info): its tiles of ``rows`` blocks come as tiles of keys, those with upper
    bounds each before that with lower ones.  Every row sees the blocks that it selects (see
    Selection), up to its own token.

    A tile that does not ascend (``unsorted``) or that no key is in (``outside``) is left out; a row
    group with no tile at all gives zeros (``empty``), as does one of which a number is out of range
    (``outside``): its position, blocks less than a tile or a phase not below the stride, more
    blocks than the selector takes, no row or more than there are, selection without a selector; a
    packet that is shorter or longer than its header says is taken as far as it goes (``length``),
    without an entry whose mask is cut.  Each is a pulse on ``faults``, and nothing else is lost.
    Only entries with a mask wait for a slot for one.

    Ports (in, unless said): ``lists``; ``enable`` (while low no header is taken); ``keys``,
    ``offset``, ``sink``, ``window``, ``local``, ``stride``, ``block_shift`` (registers); ``item``,
    ``item_valid`` (out), ``item_ready``; ``requests`` (out, AXI4-Stream: bits 0-23 the tile whose
    keys and values come next, 24-47 the position of the row group, 48 whether it is its last,
    49-50 the kind of summaries that come instead of keys and without values;
    ``tlast`` with each);
    ``mask_enable``, ``mask_address``, ``mask_data`` (out: to Masks), ``mask_free`` (pulse);
    ``faults`` (out), ``idle`` (out: no row group is being read or waits).
    """

    def __init__(self, core: Core, library: UnitLibrary) -> None:
        self.core = core
        self.library = library
        rows = core.numerics.rows
        self.words = core.query_tiles * rows
        position = {
            name: In(POSITION_BITS)
            for name in ("keys", "offset", "sink", "window", "local", "stride")
        }
        super().__init__(
            {
                "lists": In(axi_stream(LIST_BITS)),
                "enable": In(1),
                **position,
                "block_shift": In(5),
                "item": Out(list_item(core)),
                "item_valid": Out(1),
                "item_ready": In(1),
                "requests": Out(axi_stream(LIST_BITS)),
                "mask_enable": Out(1),
                "mask_address": Out(range(core.mask_slots * self.words)),
                "mask_data": Out(rows),
                "mask_free": In(1),
                "faults": Out(len(FAULTS)),
                **(self._selection_ports(core) if core.selector else {}),
                "idle": Out(1),
            }
        )

    @staticmethod
    def _selection_ports(core: Core) -> dict[str, In | Out]:
        """To and from a Selection."""
        assert core.selector is not None
        rows, most = core.numerics.rows, core.selector.max_scores
        return {
            "select": Out(1),
            "select_blocks": Out(range(most + 1)),
            "select_rows": Out(range(rows + 1)),
            "position": Out(POSITION_BITS),
            "selected": In(1),
            "read_enable": Out(1),
            "read_block": Out(range(most)),
            "read_mask": In(rows),
        }

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        core = self.core
        state = Signal(State)
        self._outlet = outlet = self.library.instance(Outlet(core), "outlet")
        m.submodules.outlet = outlet
        fault = {name: self.faults[k] for k, name in enumerate(FAULTS)}
        kind = Signal(2, reset_less=True)
        # Of a header: entries that follow, the phase of a stride, or the blocks there are.
        number = Signal(POSITION_BITS, reset_less=True)
        position = Signal(POSITION_BITS, reset_less=True)
        # Its position is beyond the last that there is.
        self._beyond = Signal(reset_less=True)
        first = Signal(2 * POSITION_BITS)
        beat, tlast = self.lists.tdata, self.lists.tlast
        taken = Signal()
        m.d.comb += [
            taken.eq(self.lists.tvalid & self.lists.tready),
            first.eq(self.offset + beat[:24] * core.tokens),
            outlet.position.eq(position),
            outlet.mask_free.eq(self.mask_free),
            self.item.eq(outlet.item),
            self.item_valid.eq(outlet.item_valid),
            outlet.item_ready.eq(self.item_ready),
            self.requests.tdata.eq(outlet.requests.tdata),
            self.requests.tvalid.eq(outlet.requests.tvalid),
            self.requests.tlast.eq(outlet.requests.tlast),
            outlet.requests.tready.eq(self.requests.tready),
            self.idle.eq((state == State.HEADER) & ~outlet.item_valid),
        ]
        rule = self._rule(m, position, number)
        m.d.comb += [rule.by_block.eq(kind == BLOCKS), rule.start.eq(state == State.PLAN)]
        selects = Signal()
        self._rows_fit = Signal()
        if core.selector:
            self._select(m, taken & (state == State.HEADER), selects, number, position)
        with m.Switch(state):
            with m.Case(State.HEADER):
                m.d.comb += [self.lists.tready.eq(self.enable), outlet.begin.eq(taken)]
                count, listed = beat[24:48], beat[48:50] == LIST
                goes_on = listed & (count != 0)
                with m.If(taken):
                    m.d.comb += fault["length"].eq(Mux(tlast, goes_on, ~goes_on))
                    m.d.sync += [
                        position.eq(first),
                        self._beyond.eq(first[POSITION_BITS:].any()),
                        number.eq(count),
                        kind.eq(beat[48:50]),
                    ]
                    with m.If(~tlast):
                        m.d.sync += state.eq(Mux(goes_on, State.ENTRY, State.REST))
                    with m.Else():
                        m.d.sync += state.eq(Mux(listed, State.FINISH, State.PLAN))
            with m.Case(State.PLAN):
                fits = self._fits(m, kind, number)
                m.d.comb += [
                    fault["outside"].eq(~fits),
                    selects.eq(fits & (kind == SELECT) & (number != 0)),
                ]
                walks = Mux(kind == SELECT, State.SELECTED, State.RULE)
                nothing = ~fits | ((kind == SELECT) & ~selects)
                m.d.sync += state.eq(Mux(nothing, State.FINISH, walks))
            with m.Case(State.RULE):
                m.d.comb += [
                    outlet.put.eq(rule.kept & outlet.free),
                    outlet.column.eq(rule.tile),
                    outlet.flags.eq(Mux(kind == BLOCKS, CAUSAL, CAUSAL | WINDOW)),
                    outlet.whole.eq(1),
                ]
                with m.If(rule.ends):
                    m.d.sync += state.eq(State.FINISH)
            with m.Case(State.ENTRY):
                self._entry(m, state, taken, number, fault)
            with m.Case(State.MASK):
                self._mask(m, state, fault)
            with m.Case(State.REST):
                m.d.comb += self.lists.tready.eq(1)
                with m.If(taken & tlast):
                    m.d.sync += state.eq(Mux(kind == LIST, State.FINISH, State.PLAN))
            with m.Case(State.FINISH):
                m.d.comb += outlet.end.eq(1)
                with m.If(outlet.room):
                    m.d.comb += [
                        fault["empty"].eq(~outlet.began),
                        fault["outside"].eq(self._beyond),
                    ]
                    m.d.sync += state.eq(State.HEADER)
            if core.selector:
                with m.Case(State.SELECTED):
                    self._selected(m, state)
        return m

    def _fits(self, m: Module, kind: Signal, number: Signal) -> Signal:
        """Whether the numbers of a header are in range, of kinds other than LIST."""
        most = self.core.selector.max_scores if self.core.selector else 0
        shift = (self.core.numerics.rows - 1).bit_length()
        fits, steps = Signal(), Signal()
        m.d.comb += steps.eq((self.stride == 0) | (number < self.stride))
        with m.Switch(kind):
            with m.Case(SELECT):
                m.d.comb += fits.eq(self._rows_fit & (number <= most) & ~self._beyond)
            with m.Case(BLOCKS):
                m.d.comb += fits.eq(steps & (self.block_shift >= shift) & ~self._beyond)
            with m.Default():
                m.d.comb += fits.eq(~self._beyond)
        return fits

    def _rule(self, m: Module, position: Signal, number: Signal) -> RuleWalk:
        """What follows a rule, and up to which tile."""
        rule = self.library.instance(RuleWalk(self.core), "rule_walk")
        m.submodules.rule = rule
        shift = (self.core.numerics.rows - 1).bit_length()
        self._highest = Signal(POSITION_BITS, reset_less=True)
        last_query, last_key = Signal(POSITION_BITS + 1), Signal(POSITION_BITS)
        m.d.comb += [
            last_query.eq(position + (self.core.tokens - 1)),
            last_key.eq(Mux(last_query < self.keys, last_query, self.keys - 1)),
            *(
                getattr(rule, name).eq(getattr(self, name))
                for name in ("sink", "window", "local", "stride", "block_shift")
            ),
            rule.position.eq(position),
            rule.phase.eq(number),
            rule.highest.eq(self._highest),
            rule.ready.eq(self._outlet.free),
        ]
        m.d.sync += self._highest.eq(last_key >> shift)
        return rule

    def _entry(
        self, m: Module, state: Signal, taken: Value, remaining: Signal, fault: dict[str, Value]
    ) -> None:
        """Check an entry, and put its tile."""
        outlet, rows = self._outlet, self.core.numerics.rows
        beat, tlast = self.lists.tdata, self.lists.tlast
        column, masked = beat[:24], beat[26]
        self._skipped, self._ends = Signal(reset_less=True), Signal(reset_less=True)
        columns, previous = Signal(POSITION_BITS), Signal(POSITION_BITS, reset_less=True)
        outside, unsorted, legal, ends = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            columns.eq((self.keys + (rows - 1)) >> (rows - 1).bit_length()),
            outside.eq(column >= columns),
            unsorted.eq(outlet.began & (column <= previous) & ~outside),
            legal.eq(~outside & ~unsorted & ~self._beyond),
            ends.eq(remaining == 1),
            self.lists.tready.eq(outlet.free & (outlet.mask_room | ~masked)),
            outlet.put.eq(taken & legal),
            outlet.column.eq(column),
            outlet.flags.eq(beat[24:27]),
            outlet.whole.eq(~masked),
        ]
        with m.If(taken):
            m.d.comb += [
                fault["outside"].eq(outside),
                fault["unsorted"].eq(unsorted),
                fault["length"].eq(Mux(masked, tlast, tlast ^ ends)),
            ]
            m.d.sync += [
                remaining.eq(remaining - 1),
                self._skipped.eq(~legal),
                self._ends.eq(ends),
            ]
            with m.If(legal):
                m.d.sync += previous.eq(column)
            with m.If(tlast):
                m.d.sync += state.eq(State.FINISH)
            with m.Elif(masked):
                m.d.sync += state.eq(State.MASK)
            with m.Elif(ends):
                m.d.sync += state.eq(State.REST)

    def _mask(self, m: Module, state: Signal, fault: dict[str, Value]) -> None:
        """Write a word per cycle; the beat goes with its last one."""
        outlet, rows = self._outlet, self.core.numerics.rows
        beat, tlast = self.lists.tdata, self.lists.tlast
        per_beat = LIST_BITS // rows
        low = (per_beat - 1).bit_length()
        word = Signal(range(self.words))
        valid, beat_ends, ends = Signal(), Signal(), Signal()
        parts = Array(beat[k * rows : (k + 1) * rows] for k in range(per_beat))
        m.d.comb += [
            valid.eq(self.lists.tvalid),
            ends.eq(word == self.words - 1),
            beat_ends.eq((word[:low] == per_beat - 1) | ends),
            self.lists.tready.eq(beat_ends),
            self.mask_enable.eq(valid & ~self._skipped),
            self.mask_address.eq(outlet.slot * self.words + word),
            self.mask_data.eq(parts[word[:low]] if low else beat),
        ]
        with m.If(valid):
            m.d.sync += word.eq(Mux(ends, 0, word + 1))
            with m.If(ends):
                m.d.comb += [
                    outlet.mask_taken.eq(~self._skipped),
                    outlet.complete.eq(~self._skipped),
                    fault["length"].eq(tlast ^ self._ends),
                ]
                following = Mux(self._ends, State.REST, State.ENTRY)
                m.d.sync += state.eq(Mux(tlast, State.FINISH, following))
            with m.Elif(beat_ends & tlast):
                m.d.comb += fault["length"].eq(1)
                m.d.sync += [word.eq(0), state.eq(State.FINISH)]

    def _select(
        self, m: Module, header: Value, start: Value, blocks: Signal, position: Signal
    ) -> None:
        """What makes the tiles of selected blocks."""
        beat, outlet = self.lists.tdata, self._outlet
        self._walk = walk = self.library.instance(SelectedWalk(self.core), "selected_walk")
        m.submodules.walk = walk
        rows, bounds = Signal.like(self.select_rows), Signal(reset_less=True)
        fits = Signal(reset_less=True)
        with m.If(header):
            m.d.sync += [
                rows.eq(beat[50:57]),
                bounds.eq(beat[57]),
                fits.eq((beat[50:57] != 0) & (beat[50:57] <= self.core.numerics.rows)),
            ]
        m.d.comb += [
            self._rows_fit.eq(fits),
            self.select.eq(start),
            self.select_blocks.eq(blocks),
            self.select_rows.eq(rows),
            self.position.eq(position),
            walk.start.eq(start),
            walk.blocks.eq(blocks),
            walk.bounds.eq(bounds),
            walk.highest.eq(self._highest),
            walk.block_shift.eq(self.block_shift),
            walk.room.eq(outlet.room),
            walk.selected.eq(self.selected),
            walk.mask_room.eq(outlet.mask_room),
            walk.free.eq(outlet.free),
            walk.read_mask.eq(self.read_mask),
            self.read_enable.eq(walk.read_enable),
            self.read_block.eq(walk.read_block),
        ]

    def _selected(self, m: Module, state: Signal) -> None:
        """Pass on what comes of it."""
        outlet, walk = self._outlet, self._walk
        m.d.comb += [
            outlet.summary.eq(walk.summary),
            outlet.column.eq(walk.tile),
            outlet.put.eq(walk.put),
            outlet.flags.eq(C(CAUSAL | MASKED, 3)),
            outlet.whole.eq(1),
            outlet.mask_taken.eq(walk.put),
            self.mask_enable.eq(walk.mask_enable),
            self.mask_address.eq(outlet.slot * self.words + walk.mask_word),
            self.mask_data.eq(walk.mask_data),
        ]
        with m.If(walk.ends):
            m.d.sync += state.eq(State.FINISH)
