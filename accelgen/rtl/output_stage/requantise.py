"""A sum to a code: bias, the channel's scale, what a residual adds, clip."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.golden.output_stage import MOST_SHIFT
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.output_stage.form import MULTIPLIER_BITS, SUM_BITS, StageForm
from accelgen.rtl.output_stage.scale import Scale

__all__ = ["Requantise"]


class Requantise(wiring.Component):
    """``y = clip((sum + bias) * multiplier + residual * residual_multiplier, scaled)``: see
    :class:`Scale` and :func:`accelgen.golden.output_stage`.

    Ports: ``sum`` and ``bias`` (in, 32 bits, signed), ``residual`` (in, ``form.code_bits`` bits,
    signed), ``multiplier``, ``residual_multiplier``, ``shift`` (in, of the element), ``low``,
    ``high`` (in, signed, the same for all elements on their way), ``enable`` (in: while low
    everything stands still), ``y`` (out, ``form.code_bits`` bits, signed).

    Latency: that of :class:`Scale`, and 2; an element per cycle.
    """

    def __init__(self, form: StageForm, library: UnitLibrary) -> None:
        self.form, self.library = form, library
        code = signed(form.code_bits)
        super().__init__(
            {
                "sum": In(signed(SUM_BITS)),
                "bias": In(signed(SUM_BITS)),
                "residual": In(code),
                "multiplier": In(MULTIPLIER_BITS),
                "residual_multiplier": In(MULTIPLIER_BITS),
                "shift": In(form.shift_bits),
                "low": In(code),
                "high": In(code),
                "enable": In(1),
                "y": Out(code),
            }
        )

    @staticmethod
    def latency(form: StageForm) -> int:
        """Cycles from ``sum`` to ``y``."""
        return Scale.latency(form.chunk) + 2

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        form = self.form
        m.submodules.scale = scale = self.library.instance(
            Scale(SUM_BITS + 1, MOST_SHIFT, form.chunk, form.code_bits), "scale_sum"
        )
        m.d.comb += [
            scale.enable.eq(self.enable),
            scale.value.eq(self.sum + self.bias),
            scale.multiplier.eq(self.multiplier),
            scale.other.eq(self.residual),
            scale.other_multiplier.eq(self.residual_multiplier),
            scale.shift.eq(self.shift),
        ]
        # First to one bit more than the limits have, so that little is left to compare.
        narrow = form.code_bits + 1
        beyond = scale.y[narrow - 1 :]
        kept = Signal(signed(narrow), reset_less=True)
        clipped = Signal(signed(form.code_bits), reset_less=True)
        most = (1 << (narrow - 1)) - 1
        with m.If(self.enable):
            m.d.sync += [
                kept.eq(
                    Mux(
                        beyond.any() & ~beyond.all(),
                        Mux(scale.y[-1], -most - 1, most),
                        scale.y,
                    )
                ),
                clipped.eq(Mux(kept < self.low, self.low, Mux(kept > self.high, self.high, kept))),
            ]
        m.d.comb += self.y.eq(clipped)
        return m
