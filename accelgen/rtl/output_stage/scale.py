"""Integers times a fraction: multiplied, shifted to the right, rounded, in a pipeline."""

from __future__ import annotations

from amaranth.hdl import C, Module, Signal, Value, signed
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

    Each of the products is summed up ``chunk`` bits of its multiplier a cycle.  Latency:
    ceil(16 / ``chunk``) + 3 cycles (take in; chunk by chunk; shift twice); a value per cycle.
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
        return -(-MULTIPLIER_BITS // chunk) + 3

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        products: list[tuple[Value, Value]] = [(self.value, self.multiplier)]
        if self.other_bits:
            products.append((self.other, self.other_multiplier))
        half = Signal(self.most_shift)
        m.d.comb += half.eq((C(1, 1) << self.shift) >> 1)
        shift: Value = self.shift
        total: Value = half
        for stage in range(self.latency(self.chunk) - 2):
            sums = total
            if stage:
                for value, multiplier in products:
                    part = value * multiplier[: self.chunk]
                    sums = sums + (part << (self.chunk * (stage - 1)))
            following: list[tuple[Value, Value]] = []
            for number, (value, multiplier) in enumerate(products):
                kept = Signal(signed(len(value)), name=f"value{number}_{stage}", reset_less=True)
                left = multiplier[self.chunk :] if stage else multiplier
                rest = Signal(max(1, len(left)), name=f"left{number}_{stage}", reset_less=True)
                self._register(m, kept, value)
                self._register(m, rest, left)
                following.append((kept, rest))
            kept_sum = Signal(signed(self.total_bits), name=f"sum_{stage}", reset_less=True)
            kept_shift = Signal(len(self.shift), name=f"shift_{stage}", reset_less=True)
            self._register(m, kept_sum, sums)
            self._register(m, kept_shift, shift)
            products, total, shift = following, kept_sum, kept_shift
        coarse = Signal(signed(self.total_bits), reset_less=True)
        fine = Signal(_FINE, reset_less=True)
        self._register(m, coarse, total >> (shift[_FINE:] << _FINE))
        self._register(m, fine, shift[:_FINE])
        result = Signal(signed(self.total_bits), reset_less=True)
        self._register(m, result, coarse >> fine)
        m.d.comb += self.y.eq(result)
        return m

    def _register(self, m: Module, register: Signal, value: Value) -> None:
        with m.If(self.enable):
            m.d.sync += register.eq(value)
