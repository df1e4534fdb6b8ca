"""A top-k selector for many: a memory of all scores, and the threshold digit by digit."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring

from accelgen.attention.accelerator.datapath.topk import (
    DIGIT_BITS,
    LANES,
    SelectorShape,
    radix_cycles,
)
from accelgen.rtl.attention.digit_search import DigitSearch
from accelgen.rtl.attention.popcount import popcount
from accelgen.rtl.attention.selector_ports import selector_ports
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.bank import Bank

__all__ = ["RadixSelector"]


class RadixSelector(wiring.Component):
    """Selects the ``k`` best of a set of scores (see ``selector_ports``).

    Throughput while scores come in: a beat per cycle.  With n scores in B beats and R rows of 16,
    and D digits of 4 bits in a score, the threshold is known ``B + (D - 1) R + 4 D`` cycles after
    the first beat, whatever the scores are.  Then indices leave: a cycle for each row up to the
    one with the last selected index, and one for each index (:meth:`cycles`).  The next set is
    taken when the last row has been read, while its indices leave.

    Method: most significant digit first, count the scores that agree with the threshold so far by
    their next digit; the first digit is counted as the scores come in.  Scores above the threshold
    are selected, and the first ones equal to it up to ``k``.  The memory is never read and written
    in one cycle: it may have one port.
    """

    def __init__(self, shape: SelectorShape, library: UnitLibrary) -> None:
        self.shape = shape
        self.library = library
        super().__init__(selector_ports(shape))

    def cycles(self, n: int, selected: int, last: int | None = None) -> int:
        """See :func:`accelgen.attention.accelerator.datapath.topk.radix_cycles`."""
        return radix_cycles(self.shape, n, selected, last)

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        shape = self.shape
        groups = LANES // shape.width_in
        loading = Signal(init=1)
        searching, scanning, draining, started = (
            Signal(name=name) for name in ("searching", "scanning", "draining", "started")
        )
        digit = Signal(range(max(2, shape.digits)), init=shape.digits - 1)
        row = Signal(range(shape.rows))  # that is written, or that the memory shows
        group = Signal(range(max(2, groups)))  # of lanes, to be written
        last_row, last_group = Signal.like(row), Signal.like(group)
        taken, fetch, row_ends = (Signal(name=name) for name in ("taken", "fetch", "row_ends"))
        search = self.library.instance(DigitSearch(shape.max_k), DigitSearch.name(shape.max_k))
        m.submodules.search = search
        m.d.comb += [
            self.scores.ready.eq(loading),
            taken.eq(loading & self.scores.valid),
            row_ends.eq(row == last_row),
            search.search.eq(searching),
            search.count.eq(taken | scanning),
        ]
        with m.If(taken):
            m.d.sync += group.eq(Mux(group == groups - 1, 0, group + 1))
            with m.If(self.scores.last):
                m.d.sync += [last_row.eq(row), last_group.eq(group), group.eq(0), row.eq(0)]
                m.d.sync += [loading.eq(0), searching.eq(1)]
            with m.Elif(group == groups - 1):
                m.d.sync += row.eq(row + 1)
        with m.If(search.done):
            m.d.sync += [searching.eq(0), draining.eq(digit == 0), scanning.eq(digit != 0)]
            with m.If(digit != 0):
                m.d.sync += digit.eq(digit - 1)
        with m.If(scanning | fetch):
            m.d.sync += row.eq(Mux(row_ends, 0, row + 1))
        with m.If(scanning & row_ends):
            m.d.sync += [scanning.eq(0), searching.eq(1)]
        # The memory shows row 0 when a pass starts, and the next row after each.
        following = Signal.like(row)
        m.d.comb += following.eq(Mux(searching, 0, row + 1))
        words = self._memory(m, taken, group, row, search.done | scanning | fetch, following)
        normal, must = self._marks(m, words, ~row_ends, last_group)
        threshold = [
            Signal(DIGIT_BITS, name=f"threshold_{j}", reset_less=True) for j in range(shape.digits)
        ]
        for j, part in enumerate(threshold):
            with m.If(search.done & (digit == j)):
                m.d.sync += part.eq(search.found)
        # Digits of the threshold that are not known yet agree with every score.
        known = [draining | (digit < j) for j in range(shape.digits)]
        agrees, above = self._compare(m, words, threshold, known)
        self._count_digits(m, search, words, normal & agrees, digit, loading)
        want, total = self._wanted(m, search, taken)
        left = Signal.like(total)
        budget = Signal.like(want, reset_less=True)
        empty = Signal()
        found = self._emit(m, left, budget, empty, fetch, row, (normal & above) | must,
                           normal & agrees)  # fmt: skip
        first = ~started & (left == 0)
        m.d.comb += fetch.eq(draining & ~empty & Mux(started, ~found & (left != 0), left == 0))
        with m.If(fetch):
            m.d.sync += started.eq(1)
            with m.If(first):
                m.d.sync += [left.eq(total), budget.eq(want), empty.eq(total == 0), total.eq(0)]
        # Nothing is left, or nothing is after this cycle.
        done = (left == 0) | (self.selected.ready & found & (left == 1))
        with m.If((fetch & row_ends) | (draining & started & done)):
            m.d.sync += [draining.eq(0), started.eq(0), loading.eq(1), row.eq(0)]
            m.d.sync += digit.eq(shape.digits - 1)
        return m

    def _memory(
        self, m: Module, taken: Value, group: Value, row: Value, read: Value, following: Value
    ) -> list[Value]:
        """The memories, one for the lanes of each beat of a row, and the words that they show.

        A word is a score in offset binary, and above it a bit that says that it is not one: then
        its lowest bit tells forced from never.
        """
        shape = self.shape
        words: list[Value] = []
        beat = []
        for lane in range(shape.width_in):
            never, forced = self.scores.never[lane], self.scores.forced[lane]
            key = self._key(lane)
            special = never | forced
            beat.append(Cat(Mux(special, ~never, key[0]), key[1:], special))
        for number in range(LANES // shape.width_in):
            bits = shape.score_bits + 1
            bank = Bank.instance(self.library, shape.width_in * bits, shape.rows)
            m.submodules[f"memory_{number}"] = bank
            m.d.comb += [
                bank.write_enable.eq(taken & (group == number)),
                bank.write_address.eq(row),
                bank.write_data.eq(Cat(beat)),
                bank.read_enable.eq(read),
                bank.read_address.eq(following),
            ]
            words += [bank.read_data.word_select(lane, bits) for lane in range(shape.width_in)]
        return words

    def _key(self, lane: int) -> Value:
        """A score that comes in, as a number that grows with its order: offset binary."""
        return self.scores.score[lane].as_unsigned() ^ (1 << (self.shape.score_bits - 1))

    def _marks(
        self, m: Module, words: list[Value], whole: Value, last_group: Value
    ) -> tuple[Value, Value]:
        """Lanes of the shown row with a score that is neither forced nor never; forced lanes."""
        normal, must = Signal(LANES), Signal(LANES)
        for lane, word in enumerate(words):
            number = lane // self.shape.width_in
            # Lanes of the last row that were not written hold anything.
            live = whole | (last_group >= number) if number else C(1)
            m.d.comb += [
                normal[lane].eq(~word[-1] & live),
                must[lane].eq(word[-1] & word[0] & live),
            ]
        return normal, must

    def _digits(self, key: Value) -> list[Value]:
        """The digits of a score, the lowest first."""
        return [key[j : min(j + DIGIT_BITS, self.shape.score_bits)]
                for j in range(0, self.shape.score_bits, DIGIT_BITS)]  # fmt: skip

    def _compare(
        self, m: Module, words: list[Value], threshold: list[Signal], known: list[Value]
    ) -> tuple[Value, Value]:
        """Lanes of the shown row that agree with what is known of the threshold, and lanes above
        the whole of it.
        """
        agrees, above = Signal(LANES), Signal(LANES)
        for lane, word in enumerate(words):
            same: Value = C(1, 1)
            more: Value = C(0, 1)
            for part, limit, fixed in zip(self._digits(word[:-1]), threshold, known, strict=True):
                equal = Signal(name=f"equal_{lane}")
                m.d.comb += equal.eq(part == limit)
                same &= equal | ~fixed
                more = (part > limit) | (equal & more)
            m.d.comb += [agrees[lane].eq(same), above[lane].eq(more)]
        return agrees, above

    def _count_digits(
        self,
        m: Module,
        search: DigitSearch,
        words: list[Value],
        members: Value,
        digit: Value,
        loading: Value,
    ) -> None:
        """What is counted: the first digit of what comes in, else the next of the shown row."""
        shape = self.shape
        special = self.scores.never | self.scores.forced
        for lane, word in enumerate(words):
            choices = self._digits(word[:-1])[:-1]
            # The highest digit is never counted from the memory.
            arriving = self._digits(self._key(lane))[-1] if lane < shape.width_in else C(0, 1)
            value: Value = arriving
            for j in reversed(range(len(choices))):
                value = Mux(digit == j, choices[j], value)
            m.d.comb += search.digit[lane].eq(value)
            new = ~special[lane] if lane < shape.width_in else C(0, 1)
            m.d.comb += search.member[lane].eq(Mux(loading, new, members[lane]))

    def _wanted(self, m: Module, search: DigitSearch, taken: Value) -> tuple[Signal, Signal]:
        """How many of the scores that agree with the threshold so far are selected, and how many
        are selected in all.
        """
        k = self.scores.k
        want, total = Signal.like(k), Signal.like(k)
        started = Signal()
        m.d.comb += search.want.eq(want)
        forced = popcount(m, self.scores.forced & ~self.scores.never, "forced")
        present = popcount(m, ~self.scores.never, "present")
        before = Mux(started, want, k)
        grown = Signal(range(self.shape.max_k + LANES + 1))
        m.d.comb += grown.eq(total + present)
        with m.If(taken):
            m.d.sync += [
                started.eq(~self.scores.last),
                want.eq(Mux(before > forced, before - forced, 0)),
                total.eq(Mux(grown > k, k, grown)),
            ]
        with m.Elif(search.done):
            m.d.sync += want.eq(want - search.above)
        return want, total

    def _emit(
        self,
        m: Module,
        left: Signal,
        budget: Signal,
        empty: Signal,
        fetch: Value,
        row: Value,
        sure: Value,
        ties: Value,
    ) -> Value:
        """Take the selected lanes of a row with ``fetch``, and let them leave, the lowest first;
        whether there are any.  ``left`` and ``budget`` count down indices and ties.
        """
        of_row = Signal.like(row, reset_less=True)
        waiting, tied = Signal(LANES), Signal(LANES)
        candidates, lowest = Signal(LANES), Signal(LANES)
        found, leaves = Signal(), Signal()
        lane = Signal(range(LANES))
        m.d.comb += [
            candidates.eq(waiting | Mux(budget != 0, tied, 0)),
            lowest.eq(candidates & -candidates),
            found.eq(candidates.any() & (left != 0)),
            leaves.eq(found & self.selected.ready),
            self.selected.valid.eq(found | empty),
            self.selected.index.eq(Cat(lane, of_row)),
            self.selected.empty.eq(empty),
            self.selected.last.eq(empty | (left == 1)),
        ]
        for bit in range(len(lane)):
            ones = [lowest[n] for n in range(LANES) if n >> bit & 1]
            m.d.comb += lane[bit].eq(Cat(ones).any())
        with m.If(leaves):
            m.d.sync += [waiting.eq(waiting & ~lowest), tied.eq(tied & ~lowest)]
            m.d.sync += [left.eq(left - 1), budget.eq(budget - (tied & lowest).any())]
        with m.If(fetch):
            m.d.sync += [waiting.eq(sure), tied.eq(ties), of_row.eq(row)]
        with m.If(self.selected.ready):
            m.d.sync += empty.eq(0)
        return found
