"""One digit of a threshold: how many scores have at least each value, and the digit from that."""

from __future__ import annotations

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.datapath.topk import DIGIT_BITS, LANES
from accelgen.rtl.attention.popcount import popcount

__all__ = ["DigitSearch"]


class DigitSearch(wiring.Component):
    """Counts digits of ``LANES`` scores a cycle, then finds the digit of the ``want``-th highest.

    Ports: in every cycle with ``count`` the ``digit`` of each lane whose bit in ``member`` is set
    is counted.  Then ``search`` is held for CYCLES cycles, with ``want`` (0..max_k); in the last
    one ``done`` is high, ``found`` is the largest digit that ``want`` or more members reach (0 if
    none), ``above`` the number of those beyond it, and the counts become zero.

    Method: a counter per digit but 0, of members with that digit or a higher one, which stops
    counting what it is where it cannot be less than ``want`` any more; bisection.
    """

    CYCLES = DIGIT_BITS

    def __init__(self, max_k: int) -> None:
        self.max_k = max_k
        super().__init__(
            {
                "count": In(1),
                "digit": In(DIGIT_BITS).array(LANES),
                "member": In(LANES),
                "search": In(1),
                "want": In(range(max_k + 1)),
                "done": Out(1),
                "found": Out(DIGIT_BITS),
                "above": Out(range(max_k + 1)),
            }
        )

    @classmethod
    def name(cls, max_k: int) -> str:
        """What its unit is called."""
        return f"digit_search_{max_k}"

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        counts: list[Value] = [C(0)]
        for digit in range(1, 1 << DIGIT_BITS):
            reaching = Signal(LANES, name=f"reaching_{digit}")
            m.d.comb += reaching.eq(
                Cat(self.member[lane] & (self.digit[lane] >= digit) for lane in range(LANES))
            )
            counts.append(self._counter(m, reaching, digit))
        step, tried, digit_now = (
            Signal(DIGIT_BITS, init=1 << DIGIT_BITS - 1, name="step"),
            Signal(DIGIT_BITS, name="tried"),
            Signal(DIGIT_BITS, name="digit_now"),
        )
        beyond = Signal.like(self.above)
        number = Signal(len(counts[1]))
        reached = Signal()
        m.d.comb += [
            tried.eq(digit_now | step),
            number.eq(Array(counts)[tried]),
            reached.eq(number >= self.want),
            self.done.eq(self.search & step[0]),
            self.found.eq(Mux(reached, tried, digit_now)),
            # What fewer than ``want`` reach was counted exactly.
            self.above.eq(Mux(reached, beyond, number)),
        ]
        with m.If(self.search):
            m.d.sync += [
                step.eq(step.rotate_right(1)),
                digit_now.eq(Mux(self.done, 0, self.found)),
                beyond.eq(Mux(self.done, 0, self.above)),
            ]
        return m

    def _counter(self, m: Module, reaching: Value, digit: int) -> Value:
        """Counts exactly up to ``max_k``; beyond that its highest bit stays set."""
        bits = max(1, (self.max_k - 1).bit_length())
        low, high = Signal(bits, name=f"low_{digit}"), Signal(name=f"high_{digit}")
        total = Signal(max(bits, 5) + 1, name=f"total_{digit}")
        m.d.comb += total.eq(low + popcount(m, reaching, f"ones_{digit}"))
        with m.If(self.done):
            m.d.sync += [low.eq(0), high.eq(0)]
        with m.Elif(self.count):
            m.d.sync += [low.eq(total), high.eq(high | total[bits:].any())]
        return Cat(low, high)
