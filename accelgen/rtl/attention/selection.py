"""Which blocks of keys every row sees: the best of the scores that the array gives them."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import Core
from accelgen.rtl.attention.selector import make_selector
from accelgen.rtl.attention.selector_ports import score_stream
from accelgen.rtl.attention.tile_info import POSITION_BITS
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.bank import Bank

__all__ = ["Selection"]


class State(enum.Enum):
    """What is done for a row group."""

    IDLE = 0
    COLLECT = 1
    FETCH = 2
    FEED = 3
    DONE = 4


class Selection(wiring.Component):
    """Collects the scores of all blocks and rows, then selects row by row.

    Of row ``i``, whose query is at ``position`` plus ``i // group``, blocks after its own are never
    selected; the ``local`` last ones up to its own and those with keys below ``sink`` always are,
    and count; ties go to the lower block.

    Ports (in, unless said): ``start`` (pulse), ``blocks``, ``rows`` and ``position`` (of the row
    group, from the cycle after ``start`` on), ``top``, ``local``, ``sink``, ``block_shift``
    (registers); ``valid`` and ``scores`` (of the next block, per row); ``done`` (out: until the
    next ``start``); ``read_enable``, ``read_block`` and ``mask`` (out, a cycle later: a bit per row
    that selected the block).

    Cycles: a row takes those of its selector (see topk.selector_cycles) and two more; ``done``
    rises a cycle after the last index of the last row.
    """

    ROW_CYCLES = 2
    """Cycles of a row beyond those of its selector."""

    def __init__(self, core: Core, library: UnitLibrary) -> None:
        self.core = core
        self.library = library
        assert core.selector is not None
        self.shape = core.selector
        n = core.numerics
        super().__init__(
            {
                "start": In(1),
                "blocks": In(range(self.shape.max_scores + 1)),
                "rows": In(range(n.rows + 1)),
                "position": In(POSITION_BITS),
                "top": In(range(self.shape.max_k + 1)),
                "local": In(POSITION_BITS),
                "sink": In(POSITION_BITS),
                "block_shift": In(5),
                "valid": In(1),
                "scores": In(signed(n.score_bits)).array(n.rows),
                "done": Out(1),
                "read_enable": In(1),
                "read_block": In(range(self.shape.max_scores)),
                "mask": Out(n.rows),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        shape, n = self.shape, self.core.numerics
        lanes = shape.width_in
        state = Signal(State)
        block = Signal(range(shape.max_scores + 1))
        row = Signal(range(n.rows))
        selector = make_selector(shape, self.library)
        m.submodules.selector = selector
        scores, selected = score_stream(shape).create(), selector.selected
        self._register(m, scores, selector.scores)
        taken, ends = Signal(), Signal()
        m.d.comb += [
            taken.eq(scores.valid & scores.ready),
            scores.last.eq(block + lanes >= self.blocks),
            scores.k.eq(self.top),
            selected.ready.eq(1),
            ends.eq(selected.valid & selected.last),
            self.done.eq(state == State.DONE),
        ]
        with m.If(self.start):
            m.d.sync += [state.eq(State.COLLECT), block.eq(0), row.eq(0)]
        collecting = Signal()
        m.d.comb += collecting.eq((state == State.COLLECT) & self.valid & (block != self.blocks))
        with m.If(collecting):
            m.d.sync += block.eq(block + 1)
        with m.If((state == State.COLLECT) & (block == self.blocks) & ~self.start):
            m.d.sync += [state.eq(State.FETCH), block.eq(0)]
        fed = Signal()
        with m.If(state == State.FETCH):
            m.d.sync += [state.eq(State.FEED), fed.eq(0)]
        with m.If(taken):
            m.d.sync += block.eq(block + lanes)
            with m.If(scores.last):
                m.d.sync += fed.eq(1)
        with m.If((state == State.FEED) & ends):
            m.d.sync += [block.eq(0), row.eq(row + 1), state.eq(State.FETCH)]
            with m.If(row + 1 == self.rows):
                m.d.sync += state.eq(State.DONE)
        m.d.comb += scores.valid.eq((state == State.FEED) & ~fed)
        self._scores(m, state, collecting, block, row, scores, taken)
        self._mark(m, block, row, scores)
        self._masks(m, state, collecting, block, row, selected)
        return m

    @staticmethod
    def _register(m: Module, source: wiring.PureInterface, sink: wiring.PureInterface) -> None:
        """A register between what chooses scores and what compares them."""
        held = Signal()
        m.d.comb += [source.ready.eq(~held | sink.ready), sink.valid.eq(held), sink.k.eq(source.k)]
        with m.If(source.ready):
            m.d.sync += held.eq(source.valid)
        pairs = [
            (getattr(source, name), getattr(sink, name)) for name in ("forced", "never", "last")
        ]
        for given, taken in (*pairs, *zip(source.score, sink.score, strict=True)):
            kept = Signal.like(given, reset_less=True)
            with m.If(source.ready):
                m.d.sync += kept.eq(given)
            m.d.comb += taken.eq(kept)

    def _scores(
        self,
        m: Module,
        state: Signal,
        collecting: Signal,
        block: Signal,
        row: Signal,
        scores: wiring.PureInterface,
        taken: Signal,
    ) -> None:
        """A memory per lane, whose words hold the scores of all rows."""
        shape, n = self.shape, self.core.numerics
        lanes = shape.width_in
        low = (lanes - 1).bit_length()
        words = max(2, -(-shape.max_scores // lanes))
        for lane in range(lanes):
            bank = Bank.instance(self.library, n.rows * n.score_bits, words)
            m.submodules[f"scores_{lane}"] = bank
            following = Signal(range(shape.max_scores + lanes), name=f"following_{lane}")
            m.d.comb += [
                following.eq(Mux(state == State.FETCH, 0, block + lanes)),
                bank.write_enable.eq(collecting & (block[:low] == lane) if low else collecting),
                bank.write_address.eq(block >> low),
                bank.write_data.eq(Cat(self.scores)),
                bank.read_enable.eq((state == State.FETCH) | taken),
                bank.read_address.eq(following >> low),
                scores.score[lane].eq(
                    Array(
                        bank.read_data[i * n.score_bits : (i + 1) * n.score_bits].as_signed()
                        for i in range(n.rows)
                    )[row]
                ),
            ]

    def _mark(self, m: Module, block: Signal, row: Signal, scores: wiring.PureInterface) -> None:
        """Which blocks are never selected by a row, and which always."""
        core = self.core
        token = Signal(range(core.numerics.rows))
        m.d.comb += token.eq(Array(i // core.group for i in range(core.numerics.rows))[row])
        own = Signal(POSITION_BITS + 1, reset_less=True)
        sinks = Signal(POSITION_BITS + 1, reset_less=True)
        within, rounded = Signal(POSITION_BITS), Signal(POSITION_BITS + 1)
        m.d.comb += [
            within.eq((Const(1, POSITION_BITS) << self.block_shift)[:POSITION_BITS] - 1),
            rounded.eq(self.sink + within),
        ]
        m.d.sync += [
            own.eq((self.position + token) >> self.block_shift),
            sinks.eq(rounded >> self.block_shift),
        ]
        for lane in range(self.shape.width_in):
            here = Signal(POSITION_BITS + 1, name=f"here_{lane}")
            m.d.comb += [
                here.eq(block + lane),
                scores.never[lane].eq((here > own) | (here >= self.blocks)),
                scores.forced[lane].eq((here + self.local > own) | (here < sinks)),
            ]

    def _masks(
        self,
        m: Module,
        state: Signal,
        collecting: Signal,
        block: Signal,
        row: Signal,
        selected: wiring.PureInterface,
    ) -> None:
        """A bit per row and block: cleared with the scores, set one by one, read a word at a time.

        Indices of a row ascend, and a row begins later than the last one's word is written.
        """
        rows = self.core.numerics.rows
        bank = Bank.instance(self.library, rows, self.shape.max_scores)
        m.submodules.masks = bank
        setting, bit = Signal(), Signal(rows, reset_less=True)
        at = Signal(range(self.shape.max_scores), reset_less=True)
        hit = Signal()
        m.d.comb += [
            hit.eq((state == State.FEED) & selected.valid & ~selected.empty),
            bank.read_enable.eq(hit | self.read_enable),
            bank.read_address.eq(Mux(hit, selected.index, self.read_block)),
            bank.write_enable.eq(collecting | setting),
            bank.write_address.eq(Mux(setting, at, block)),
            bank.write_data.eq(Mux(setting, bank.read_data | bit, 0)),
            self.mask.eq(bank.read_data),
        ]
        m.d.sync += [setting.eq(hit), at.eq(selected.index), bit.eq(1 << row)]
