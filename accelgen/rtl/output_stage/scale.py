"""Integers times a fraction: multiplied, shifted to the right, rounded, in a pipeline."""

from __future__ import annotations

from amaranth.hdl import C, Module, ShapeLike, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.output_stage.form import MULTIPLIER_BITS

__all__ = ["Scale"]

_FINE = 3
"""The bits of a shift that the last stage works off; those above are done before."""


class Scale(wiring.Component):
    """``y = (value * multiplier + other * other_multiplier + half) >> shift``, rounded down, with
    ``half`` = 2**(shift - 1), or 0 for a shift of 0.

    Ports: ``value`` (in, ``bits`` bits, signed), ``multiplier`` (in, 16 bits, unsigned), ``shift``
    (in, 0 .. ``most_shift``), ``enable`` (in: while low everything stands still), ``y`` (out,
    signed, as wide as any result).  With ``other_bits``, the second product: ``other`` (in, signed)
    and ``other_multiplier``.

    ``chunk`` bits of each multiplier are worked off per cycle.  Latency: ceil(16 / ``chunk``) + 4
    cycles (take in; a product per chunk, and a cycle later its sum; shift twice); a value per
    cycle.
    """

    def __init__(self, bits: int, most_shift: int, chunk: int, other_bits: int = 0) -> None:
        self.bits, self.most_shift, self.chunk = bits, most_shift, chunk
        self.other_bits = other_bits
        self.total_bits = 1 + max(
            bits + MULTIPLIER_BITS, other_bits + MULTIPLIER_BITS, most_shift + 1
        )
        other = {"other": In(signed(max(1, other_bits))), "other_multiplier": In(MULTIPLIER_BITS)}
        super().__init__(
            {
                "value": In(signed(bits)),
                "multiplier": In(MULTIPLIER_BITS),
                "shift": In(most_shift.bit_length()),
                "enable": In(1),
                "y": Out(signed(self.total_bits)),
                **(other if other_bits else {}),
            }
        )

    @staticmethod
    def latency(chunk: int) -> int:
        """Cycles from ``value`` to ``y``."""
        return -(-MULTIPLIER_BITS // chunk) + 4

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        factors: list[tuple[Value, Value]] = [(self.value, self.multiplier)]
        if self.other_bits:
            factors.append((self.other, self.other_multiplier))
        half = Signal(self.most_shift)
        m.d.comb += half.eq((C(1, 1) << self.shift) >> 1)
        total = self._register(m, half, signed(self.total_bits), "half")
        factors = [
            (
                self._register(m, value, signed(len(value)), f"value_{number}"),
                self._register(m, multiplier, MULTIPLIER_BITS, f"multiplier_{number}"),
            )
            for number, (value, multiplier) in enumerate(factors)
        ]
        shift = self._register(m, self.shift, len(self.shift), "shift")
        chunks = range(0, MULTIPLIER_BITS, self.chunk)
        products: list[Signal] = []
        for low in [*chunks, MULTIPLIER_BITS]:
            sums: Value = total
            for product in products:
                shifted = (product << (low - self.chunk)) if low > self.chunk else product
                sums = (sums + shifted)[: self.total_bits].as_signed()
            products = [
                self._register(
                    m,
                    value * multiplier[low : low + self.chunk],
                    signed(len(value) + self.chunk),
                    f"product_{number}_{low}",
                )
                for number, (value, multiplier) in enumerate(factors)
                if low in chunks
            ]
            if low + self.chunk in chunks:
                factors = [
                    (
                        self._register(m, value, signed(len(value)), f"value_{number}_{low}"),
                        self._register(
                            m, multiplier, len(multiplier), f"multiplier_{number}_{low}"
                        ),
                    )
                    for number, (value, multiplier) in enumerate(factors)
                ]
            total = self._register(m, sums, signed(self.total_bits), f"sum_{low}")
            shift = self._register(m, shift, len(shift), f"shift_{low}")
        coarse = self._register(m, total >> (shift[_FINE:] << _FINE), total.shape(), "coarse")
        fine = self._register(m, shift[:_FINE], _FINE, "fine")
        m.d.comb += self.y.eq(self._register(m, coarse >> fine, total.shape(), "shifted"))
        return m

    def _register(self, m: Module, value: Value, shape: ShapeLike, name: str) -> Signal:
        register = Signal(shape, name=name, reset_less=True)
        with m.If(self.enable):
            m.d.sync += register.eq(value)
        return register
