"""The output stage: its parts, one behind the other."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.layout import Layout
from accelgen.golden.output_stage import MOST_POOL_SHIFT
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.output_stage.form import MULTIPLIER_BITS, StageForm
from accelgen.rtl.output_stage.packer import Packer
from accelgen.rtl.output_stage.pooling import Pooling
from accelgen.rtl.output_stage.requantise import Requantise
from accelgen.rtl.output_stage.scale import Scale
from accelgen.rtl.output_stage.spread import Spread
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["OutputStage"]


class OutputStage(wiring.Component):
    """Packets of sums to packets of codes, pooled, as :func:`accelgen.golden.output_stage` says.

    Ports: ``sums``, ``marked`` and ``addends`` (the residual) as those of :class:`Spread`;
    ``stream`` (AXI4-Stream master, codes of ``form.bits`` bits, unused bits zero); an input per
    field of the form, that of the packet, which changes with ``done`` (out, a pulse: the last beat
    of the packet comes in the next cycle); ``read`` and ``channel`` (out), and in the cycle after
    ``read`` the parameters of that channel (in, see :class:`Parameters`); ``error`` (sticky: a
    packet of the residual had the wrong length).

    An element per cycle.  From the element that is a packet's last, as :class:`Spread` has it, to
    its last beat it takes :meth:`latency` cycles; the next packet begins 2 cycles later.  While
    ``stream.tready`` is low and a beat waits, everything but the beats of sums that are held
    stands still.
    """

    def __init__(self, form: StageForm, lanes: int, bus_bits: int, library: UnitLibrary) -> None:
        self.form, self.lanes, self.bus_bits, self.library = form, lanes, bus_bits, library
        super().__init__(
            {
                "sums": In(axi_stream(bus_bits)),
                "marked": In(lanes),
                "addends": In(axi_stream(bus_bits)),
                "stream": Out(axi_stream(bus_bits)),
                **{f.name: In(Shape(f.bits, f.signed)) for f in form.fields},
                "read": Out(1),
                "channel": Out(range(max(2, form.channels))),
                "bias": In(32),
                "multiplier": In(MULTIPLIER_BITS),
                "shift": In(form.shift_bits),
                "residual_multiplier": In(MULTIPLIER_BITS),
                "done": Out(1),
                "error": Out(1),
            }
        )

    @staticmethod
    def cycles(form: StageForm, layout: Layout) -> int:
        """From the ``commit`` of a page of sums (see :class:`Collector`) to the last accepted beat
        of codes, both counted, without pauses.

        The first beat of sums comes as without the stage, and is taken; then come a cycle per sum,
        and what the last one takes.
        """
        first = -(-min(layout.per_beat, layout.elements) // layout.shape[-1])
        return first + 3 + layout.elements + OutputStage.latency(form)

    @staticmethod
    def latency(form: StageForm) -> int:
        """Cycles from the last element of a packet to its last beat."""
        return (
            1  # the parameters
            + Requantise.latency(form)
            + Pooling.LATENCY
            + Scale.latency(form.chunk)
            + Packer.LATENCY
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        form, library = self.form, self.library
        m.submodules.spread = spread = library.instance(
            Spread(form, self.lanes, self.bus_bits), "spread"
        )
        m.submodules.requantise = requantise = library.instance(
            Requantise(form, library), "requantise"
        )
        m.submodules.pooling = pooling = library.instance(Pooling(form, library), "pooling")
        m.submodules.scale = scale = library.instance(
            Scale(form.pool_bits, MOST_POOL_SHIFT, form.chunk), "scale_pooled"
        )
        m.submodules.packer = packer = library.instance(Packer(form.bits, self.bus_bits), "packer")
        # A cycle behind the pages that they come from.
        now = {
            f.name: Signal(Shape(f.bits, f.signed), name=f"now_{f.name}", reset_less=True)
            for f in form.fields
        }
        m.d.sync += [signal.eq(getattr(self, name)) for name, signal in now.items()]
        advance = packer.advance
        self._take(m, spread, now, advance, packer.done)

        # The element that the parameters are there for.
        total, code = Signal(len(spread.sum)), Signal(Shape(form.code_bits, signed=True))
        with m.If(advance):
            m.d.sync += [total.eq(spread.sum), code.eq(spread.code)]
        valid = [spread.valid]
        end = [spread.valid & spread.end]
        self._delay(m, advance, valid, end, 1 + Requantise.latency(form))
        m.d.comb += [
            requantise.enable.eq(advance),
            requantise.sum.eq(total),
            requantise.residual.eq(code),
            requantise.low.eq(now["low"]),
            requantise.high.eq(now["high"]),
            *(
                getattr(requantise, name).eq(getattr(self, name))
                for name in ("bias", "multiplier", "shift", "residual_multiplier")
            ),
            pooling.enable.eq(advance),
            pooling.value.eq(requantise.y),
            pooling.valid.eq(valid[-1]),
            pooling.end.eq(end[-1]),
            *(
                getattr(pooling, name).eq(now[name])
                for name in ("rows", "columns", "window_rows", "window_columns", "average")
            ),
        ]
        valid = [pooling.complete]
        self._delay(m, advance, [], end, Pooling.LATENCY)
        self._delay(m, advance, valid, end, Scale.latency(form.chunk))
        average = now["average"]
        m.d.comb += [
            scale.enable.eq(advance),
            scale.value.eq(pooling.pooled),
            scale.multiplier.eq(Mux(average, now["pool_multiplier"], 1)),
            scale.shift.eq(Mux(average, now["pool_shift"], 0)),
            packer.element.eq(scale.y),
            packer.valid.eq(valid[-1]),
            packer.end.eq(end[-1]),
            self.done.eq(packer.done),
            self.error.eq(spread.error),
        ]
        wiring.connect(m, packer.stream, wiring.flipped(self.stream))
        return m

    def _take(
        self,
        m: Module,
        spread: Spread,
        now: dict[str, Signal],
        advance: Value,
        done: Value,
    ) -> None:
        """Take elements of one packet, until all of it has left and the next one's fields hold."""
        held, done_before = Signal(), Signal()
        m.d.sync += done_before.eq(done)
        with m.If(spread.valid & spread.end):
            m.d.sync += held.eq(1)
        with m.Elif(done_before):
            m.d.sync += held.eq(0)
        wiring.connect(m, wiring.flipped(self.sums), spread.sums)
        wiring.connect(m, wiring.flipped(self.addends), spread.residual)
        m.d.comb += [
            spread.marked.eq(self.marked),
            spread.enable.eq(advance),
            spread.hold.eq(held),
            *(getattr(spread, name).eq(now[name]) for name in ("channels", "rows", "columns")),
            spread.has_residual.eq(now["residual"] != 0),
            spread.residual_signed.eq(now["residual"][1]),
            self.read.eq(advance),
            self.channel.eq(spread.channel),
        ]

    @staticmethod
    def _delay(
        m: Module, advance: Value, valid: list[Value], end: list[Value], cycles: int
    ) -> None:
        """Lengthen what goes with the elements."""
        for line, name in ((valid, "valid"), (end, "end")):
            for _ in range(cycles if line else 0):
                later = Signal(name=f"{name}_{len(line)}")
                with m.If(advance):
                    m.d.sync += later.eq(line[-1])
                line.append(later)
