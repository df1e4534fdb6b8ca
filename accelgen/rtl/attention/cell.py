"""One multiplier of the array, with the score or probability that stays in it."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.datapath.numerics import Numerics

__all__ = ["Cell"]


class Cell(wiring.Component):
    """Multiplies ``operand`` by ``element`` and adds: scores in place, outputs along the row.

    Scores: operands are queries, which move on to the right by a cell per cycle; products are
    added up here.  Outputs: the operand is the probability that was kept, and the sum of the cell
    to the left is added; so the last cell of a row has the sums of the row.

    Ports (in, unless said): ``operand_in`` and ``operand`` (out, a register), ``element``,
    ``left`` and ``sum`` (out, a register), ``probability`` (of the row), ``kept`` (out: the score
    or probability kept here, 0 unless ``select``).  Controls, each for the edge at its end:

    - ``shift``: take ``operand_in``.  ``recall``: take the probability that is kept.
    - ``multiply``: in the cycle after, with ``element``; the product is added in the next one:
      ``add``, with ``first`` (of a score: to the constant that rounds it) or ``along`` (to
      ``left``).
    - ``capture``: keep the score that ``sum`` stands for.  ``keep``: keep ``probability``.

    Latency from ``shift`` to ``sum``: 3.  Throughput: a product per cycle.
    """

    LATENCY = 3

    def __init__(self, numerics: Numerics) -> None:
        self.numerics = n = numerics
        operand, element = signed(n.operand_bits), signed(n.element_bits)
        total = signed(n.accumulator_bits)
        super().__init__(
            {
                "operand_in": In(operand),
                "operand": Out(operand),
                "element": In(element),
                "left": In(total),
                "sum": Out(total),
                "probability": In(n.probability_fraction),
                "kept": Out(n.score_bits),
                **{name: In(1) for name in self.CONTROLS},
            }
        )

    CONTROLS = (
        "shift", "recall", "multiply", "add", "first", "along", "capture", "keep", "select"
    )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        n = self.numerics
        operand = Signal(signed(n.operand_bits), reset_less=True)
        product = Signal(signed(n.product_bits), reset_less=True)
        total = Signal(signed(n.accumulator_bits), reset_less=True)
        kept = Signal(n.score_bits, reset_less=True)
        with m.If(self.shift):
            m.d.sync += operand.eq(self.operand_in)
        with m.Elif(self.recall):
            m.d.sync += operand.eq(kept[: n.probability_fraction])
        with m.If(self.multiply):
            m.d.sync += product.eq(operand * self.element)
        half = Const(1 << (n.score_shift - 1), signed(n.accumulator_bits))
        with m.If(self.add):
            base = Mux(self.along, self.left, Mux(self.first, half, total))
            m.d.sync += total.eq(base + product)
        with m.If(self.capture):
            m.d.sync += kept.eq(total >> n.score_shift)
        with m.Elif(self.keep):
            m.d.sync += kept.eq(self.probability)
        m.d.comb += [
            self.operand.eq(operand),
            self.sum.eq(total),
            self.kept.eq(Mux(self.select, kept, 0)),
        ]
        return m
