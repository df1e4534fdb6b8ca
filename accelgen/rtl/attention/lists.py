"""Block lists come in, checked; tiles to be computed and requests for their data go out."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, enum, fifo, wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.core import LIST_BITS, Core
from accelgen.rtl.attention.tile_info import CAUSAL, POSITION_BITS, WINDOW, list_item
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["BLOCKS", "FAULTS", "LIST", "TOKENS", "Scheduler"]

FAULTS = ("unsorted", "outside", "empty", "length")
"""What is wrong with a list: bits of the status, from the lowest."""


LIST, TOKENS, BLOCKS = range(3)
"""Kinds of row groups: entries follow the header, or counters make the tiles."""


class State(enum.Enum):
    """Where the scheduler is in a packet."""

    HEADER = 0
    PLAN = 1
    WALK = 2
    ENTRY = 3
    MASK = 4
    REST = 5
    FINISH = 6


class Scheduler(wiring.Component):
    """A packet of the stream ``lists`` is a row group: a header, then its list of tiles of keys.

    Header: bits 0-23 the number of the row group (its first query token is at ``offset`` plus
    ``tokens`` times that), 24-47 how many entries follow, 48-49 the kind.  Entry: bits
    0-23 the tile of keys, 24-26 its flags (see tile_info).  After an entry with MASKED come
    ``query_tiles * rows`` words of ``rows`` bits, a word per key and a bit per row, as many in a
    beat as fit.  Tiles ascend.

    Kind TOKENS makes the tiles with keys below ``sink`` or among the last ``window`` of a query,
    masked to exactly these.  Kind BLOCKS works in blocks of ``2**block_shift`` tokens: those below
    ``sink`` tokens, the ``local`` last ones up to the query's, and with a ``stride`` those whose
    number plus the phase (bits 24-47 of the header) it divides.  Both are causal.

    A tile that does not ascend (``unsorted``) or that no key is in (``outside``) is left out; a row
    group with no tile at all gives zeros (``empty``); a packet that is shorter or longer than its
    header says is taken as far as it goes (``length``), without an entry whose mask is cut.  Each
    is a pulse on ``faults``, and nothing else is lost.

    Ports (in, unless said): ``lists``; ``enable`` (while low no header is taken); ``keys``,
    ``offset``, ``sink``, ``window``, ``local``, ``stride``, ``block_shift`` (registers); ``item``,
    ``item_valid`` (out), ``item_ready``; ``requests`` (out, AXI4-Stream: bits 0-23 the tile whose
    keys and values come next, 24-47 the position of the row group, 48 whether it is its last;
    ``tlast`` with each);
    ``mask_enable``, ``mask_address``, ``mask_data`` (out: to Masks), ``mask_free`` (pulse);
    ``faults`` (out), ``idle`` (out: no row group is being read or waits).
    """

    def __init__(self, core: Core) -> None:
        self.core = core
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
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        self._shift = (self.core.numerics.rows - 1).bit_length()
        state = self._state = Signal(State)
        # The tile found last waits until it is known whether another one follows.
        self._held = Signal(list_item(self.core), reset_less=True)
        self._held_valid = Signal()
        self._any = Signal()  # one of this row group was passed on
        self._position = Signal(POSITION_BITS, reset_less=True)
        self._slot = Signal(range(max(2, self.core.mask_slots)))
        self._emit, self._last, self._room = Signal(), Signal(), Signal()
        taken = Signal()
        m.d.comb += taken.eq(self.lists.tvalid & self.lists.tready)
        self._pass_on(m)
        self._masks_used(m)
        fault = {name: self.faults[k] for k, name in enumerate(FAULTS)}
        remaining = Signal(POSITION_BITS, reset_less=True)
        kind = Signal(2, reset_less=True)
        phase = Signal(POSITION_BITS, reset_less=True)
        beat, tlast = self.lists.tdata, self.lists.tlast
        with m.Switch(state):
            with m.Case(State.HEADER):
                m.d.comb += self.lists.tready.eq(self.enable)
                count = beat[24:48]
                listed = beat[48:50] == LIST
                with m.If(taken):
                    m.d.sync += [
                        self._position.eq(self.offset + beat[:24] * self.core.tokens),
                        remaining.eq(count),
                        kind.eq(beat[48:50]),
                        phase.eq(count),
                        self._any.eq(0),
                    ]
                    with m.If(~tlast):
                        goes_on = listed & (count != 0)
                        m.d.comb += fault["length"].eq(~goes_on)
                        m.d.sync += state.eq(Mux(goes_on, State.ENTRY, State.REST))
                    with m.Else():
                        m.d.comb += fault["length"].eq(listed & (count != 0))
                        m.d.sync += state.eq(Mux(listed, State.FINISH, State.PLAN))
            with m.Case(State.ENTRY):
                self._entry(m, taken, remaining, fault)
            with m.Case(State.MASK):
                self._mask(m, remaining, fault)
            with m.Case(State.REST):
                m.d.comb += self.lists.tready.eq(1)
                with m.If(taken & tlast):
                    m.d.sync += state.eq(Mux(kind == LIST, State.FINISH, State.PLAN))
            with m.Case(State.FINISH):
                m.d.comb += [self._last.eq(1), self._emit.eq(1)]
                with m.If(self._room):
                    m.d.comb += fault["empty"].eq(~self._held_valid & ~self._any)
                    m.d.sync += [state.eq(State.HEADER), self._held_valid.eq(0)]
        self._walk(m, kind, phase)
        return m

    def _pass_on(self, m: Module) -> None:
        """The tile held becomes an item and a request, when ``emit`` and there is room."""
        layout = list_item(self.core)
        m.submodules.items = items = fifo.SyncFIFO(width=layout.size, depth=self.core.list_depth)
        held = data.View(layout, self._held)
        item = Signal(layout)
        free = Signal()
        requests = self.requests
        m.d.comb += [
            free.eq(~requests.tvalid | requests.tready),
            self._room.eq(items.w_rdy & free),
            item.eq(self._held),
            item.position.eq(self._position),
            item.first.eq(~self._any),
            item.last.eq(self._last),
            item.void.eq(~self._held_valid),
            items.w_data.eq(item),
            items.w_en.eq(self._emit & self._room),
            self.item.eq(items.r_data),
            self.item_valid.eq(items.r_rdy),
            items.r_en.eq(self.item_ready),
            requests.tlast.eq(1),
            self.idle.eq((self._state == State.HEADER) & ~items.r_rdy),
        ]
        with m.If(~self._held_valid):
            m.d.comb += item.flags.eq(0)
        with m.If(requests.tready):
            m.d.sync += requests.tvalid.eq(0)
        with m.If(self._emit & self._room):
            m.d.sync += self._any.eq(1)
            with m.If(self._held_valid):
                m.d.sync += [
                    requests.tvalid.eq(1),
                    requests.tdata.eq(Cat(held.column, self._position, self._last)),
                ]

    def _hold(self, m: Module, column: Value, flags: Value, valid: Value) -> None:
        """Pass on what is held, and hold the next."""
        held = data.View(list_item(self.core), self._held)
        m.d.comb += self._emit.eq(self._held_valid)
        m.d.sync += [
            held.column.eq(column),
            held.flags.eq(flags),
            held.slot.eq(self._slot),
            self._held_valid.eq(valid),
        ]

    def _masks_used(self, m: Module) -> None:
        slots = self.core.mask_slots
        used = Signal(range(slots + 1))
        self._mask_taken, self._mask_room = Signal(), Signal()
        m.d.comb += self._mask_room.eq(used != slots)
        m.d.sync += used.eq(used + self._mask_taken - self.mask_free)
        with m.If(self._mask_taken):
            m.d.sync += self._slot.eq(Mux(self._slot == slots - 1, 0, self._slot + 1))

    def _entry(self, m: Module, taken: Value, remaining: Signal, fault: dict[str, Value]) -> None:
        beat, tlast = self.lists.tdata, self.lists.tlast
        column, masked = beat[:24], beat[26]
        self._skipped = Signal(reset_less=True)
        columns, previous = Signal(POSITION_BITS), Signal(POSITION_BITS, reset_less=True)
        outside, unsorted, legal, ends = Signal(), Signal(), Signal(), Signal()
        self._ends = Signal(reset_less=True)
        begun = self._any | self._held_valid
        m.d.comb += [
            columns.eq((self.keys + (self.core.numerics.rows - 1)) >> self._shift),
            outside.eq(column >= columns),
            unsorted.eq(begun & (column <= previous) & ~outside),
            legal.eq(~outside & ~unsorted),
            ends.eq(remaining == 1),
            self.lists.tready.eq((self._room | ~self._held_valid) & self._mask_room),
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
                self._hold(m, column, beat[24:27], ~masked)
            with m.If(tlast):
                m.d.sync += self._state.eq(State.FINISH)
            with m.Elif(masked):
                m.d.sync += self._state.eq(State.MASK)
            with m.Elif(ends):
                m.d.sync += self._state.eq(State.REST)

    def _mask(self, m: Module, remaining: Signal, fault: dict[str, Value]) -> None:
        """Write a word per cycle; the beat goes with its last one."""
        rows = self.core.numerics.rows
        beat, tlast = self.lists.tdata, self.lists.tlast
        per_beat = LIST_BITS // rows
        word = Signal(range(self.words))
        valid, beat_ends, ends = Signal(), Signal(), Signal()
        m.d.comb += [
            valid.eq(self.lists.tvalid),
            ends.eq(word == self.words - 1),
            beat_ends.eq((word[: (per_beat - 1).bit_length()] == per_beat - 1) | ends),
            self.lists.tready.eq(beat_ends),
            self.mask_enable.eq(valid & ~self._skipped),
            self.mask_address.eq(self._slot * self.words + word),
            self.mask_data.eq(
                Array(beat[i * rows : (i + 1) * rows] for i in range(per_beat))[
                    word[: (per_beat - 1).bit_length()]
                ]
                if per_beat > 1
                else beat
            ),
        ]
        with m.If(valid):
            m.d.sync += word.eq(Mux(ends, 0, word + 1))
            with m.If(ends):
                m.d.comb += [
                    self._mask_taken.eq(~self._skipped),
                    fault["length"].eq(tlast ^ self._ends),
                ]
                m.d.sync += [
                    self._held_valid.eq(self._held_valid | ~self._skipped),
                    self._state.eq(
                        Mux(tlast, State.FINISH, Mux(self._ends, State.REST, State.ENTRY))
                    ),
                ]
            with m.Elif(beat_ends & tlast):
                m.d.comb += fault["length"].eq(1)
                m.d.sync += [word.eq(0), self._state.eq(State.FINISH)]

    def _walk(self, m: Module, kind: Signal, phase: Signal) -> None:
        """The tiles of a rule, found by counting up."""
        shift, tokens = self._shift, self.core.tokens
        wide = POSITION_BITS + 1
        tile, highest = (
            Signal(POSITION_BITS, reset_less=True),
            Signal(POSITION_BITS, reset_less=True),
        )
        nearest, sinks = (
            Signal(POSITION_BITS, reset_less=True),
            Signal(POSITION_BITS, reset_less=True),
        )
        residue, strided = Signal(POSITION_BITS, reset_less=True), Signal(reset_less=True)
        by_block = kind == BLOCKS
        block = Signal(POSITION_BITS)
        block_end = Signal()
        last_key, first_near = Signal(wide), Signal(wide)
        last_query = self._position + (tokens - 1)
        tiles_shift = Signal(5)
        m.d.comb += [
            tiles_shift.eq(self.block_shift - shift),
            block.eq(self._position >> self.block_shift),
            last_key.eq(Mux(last_query < self.keys, last_query, self.keys - 1)),
        ]
        with m.If(by_block):
            near_block = Signal(wide)
            m.d.comb += [
                near_block.eq(Mux(block >= self.local, block - self.local + 1, 0)),
                first_near.eq((near_block << self.block_shift)[:wide]),
            ]
        with m.Elif(self._position >= self.window):
            m.d.comb += first_near.eq(self._position - self.window + 1)
        with m.If(self._state == State.PLAN):
            m.d.sync += [
                tile.eq(0),
                highest.eq(last_key >> shift),
                nearest.eq(first_near >> shift),
                sinks.eq((self.sink + ((1 << shift) - 1)) >> shift),
                residue.eq(phase),
                strided.eq(by_block & (self.stride != 0)),
                self._state.eq(State.WALK),
            ]
        chosen, onwards, following = Signal(), Signal(), Signal(POSITION_BITS)
        in_block = Signal(POSITION_BITS)
        m.d.comb += [
            chosen.eq(
                (tile <= highest)
                & ((tile < sinks) | (tile >= nearest) | (strided & (residue == 0)))
            ),
            onwards.eq(~chosen | self._room | ~self._held_valid),
            in_block.eq(((Const(1, 1) << tiles_shift) - 1)[:POSITION_BITS]),
            block_end.eq((tile & in_block) == in_block),
            following.eq(tile + 1),
        ]
        with m.If((self._state == State.WALK) & onwards):
            with m.If(chosen):
                flags = Mux(by_block, CAUSAL, CAUSAL | WINDOW)
                self._hold(m, tile, flags, Const(1))
            with m.If(strided & block_end):
                m.d.sync += residue.eq(Mux(residue + 1 == self.stride, 0, residue + 1))
            m.d.sync += tile.eq(
                Mux(~strided & (following >= sinks) & (following < nearest), nearest, following)
            )
            with m.If(tile >= highest):
                m.d.sync += self._state.eq(State.FINISH)
