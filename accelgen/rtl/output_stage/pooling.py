"""The largest code, or the sum, of every window of a row-major stream."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.output_stage.form import StageForm
from accelgen.rtl.streams.bank import Bank

__all__ = ["Pooling"]


class Pooling(wiring.Component):
    """Windows side by side, of a stream of planes of rows of columns.

    Ports: ``value`` (in, ``form.code_bits`` bits, signed), ``valid`` (in: there is an element),
    ``end`` (in, beside ``valid``: it is the last of its packet, and the next one begins a plane),
    ``rows``, ``columns``, ``window_rows``, ``window_columns`` (in, less one; the same for all
    elements on their way), ``average`` (in: the sum of the window, else its largest element),
    ``enable`` (in: while low everything stands still); ``pooled`` (out, ``form.pool_bits`` bits,
    signed) and ``complete`` (out: it is of a whole window).  Rows and columns that no window is
    full of give nothing.

    Latency: LATENCY cycles from the last element of a window; an element per cycle.  What the
    windows of the present rows have so far is in a memory of ``form.columns`` words.
    """

    LATENCY = 3

    def __init__(self, form: StageForm, library: UnitLibrary) -> None:
        self.form, self.library = form, library
        rows, columns = range(max(2, form.rows)), range(max(2, form.columns))
        super().__init__(
            {
                "value": In(signed(form.code_bits)),
                "valid": In(1),
                "end": In(1),
                "rows": In(rows),
                "columns": In(columns),
                "window_rows": In(rows),
                "window_columns": In(columns),
                "average": In(1),
                "enable": In(1),
                "pooled": Out(signed(form.pool_bits)),
                "complete": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        columns = range(max(2, self.form.columns))
        m.submodules.bank = bank = Bank.instance(
            self.library, self.form.pool_bits, max(2, self.form.columns)
        )
        takes = Signal()
        m.d.comb += takes.eq(self.valid & self.enable)
        row_end, at_column, right = self._axis(
            m, "column", takes, self.columns, self.window_columns
        )
        _, at_row, bottom = self._axis(m, "row", takes & row_end, self.rows, self.window_rows)
        # Along the row.  The window's place among those of the row is where it is kept.
        place = Signal(columns)
        with m.If(takes):
            m.d.sync += place.eq(Mux(row_end | self.end, 0, place + right))
        across = Signal(signed(self.form.pool_bits), reset_less=True)
        joined = Signal(signed(self.form.pool_bits))
        m.d.comb += joined.eq(Mux(at_column == 0, self.value, self._together(across, self.value)))
        with m.If(takes):
            m.d.sync += across.eq(joined)
        now = _Slot(self.valid & right, place, at_row == 0, bottom)
        first = now.later(m, self.enable, 1)
        second = first.later(m, self.enable, 2)
        third = second.later(m, self.enable, 3)
        row_of = Signal(signed(self.form.pool_bits), reset_less=True)  # of the window in ``second``
        # Down the rows.  What the two before it write, an element has not read.
        total = Signal(signed(self.form.pool_bits))
        older = Signal(signed(self.form.pool_bits), reset_less=True)
        read = Signal(signed(self.form.pool_bits), reset_less=True)
        newest, newer = Signal(reset_less=True), Signal(reset_less=True)
        before = Mux(newest, self.pooled, Mux(newer, older, read))
        m.d.comb += [
            total.eq(Mux(second.top, row_of, self._together(before, row_of))),
            bank.read_enable.eq(self.enable),
            bank.read_address.eq(place),
            bank.write_enable.eq(self.enable & second.closes),
            bank.write_address.eq(second.place),
            bank.write_data.eq(total),
        ]
        with m.If(self.enable):
            m.d.sync += [
                row_of.eq(across),
                read.eq(bank.read_data),
                newest.eq(second.closes & (second.place == first.place)),
                newer.eq(third.closes & (third.place == first.place)),
                self.pooled.eq(total),
                older.eq(self.pooled),
                self.complete.eq(second.closes & second.last),
            ]
        return m

    def _together(self, so_far: Value, more: Value) -> Value:
        return Mux(self.average, so_far + more, Mux(so_far > more, so_far, more))

    def _axis(
        self, m: Module, name: str, step: Value, last: Value, window: Value
    ) -> tuple[Signal, Signal, Signal]:
        """Count along an axis: whether this is the last index, the index in the window, and whether
        that is the last.
        """
        index, inside = Signal(len(last), name=name), Signal(len(last), name=f"{name}_in_window")
        at_end, full = Signal(name=f"{name}_at_end"), Signal(name=f"{name}_full")
        m.d.comb += [at_end.eq(index == last), full.eq(inside == window)]
        with m.If(self.valid & self.enable & self.end):
            m.d.sync += [index.eq(0), inside.eq(0)]
        with m.Elif(step):
            m.d.sync += [
                index.eq(Mux(at_end, 0, index + 1)),
                inside.eq(Mux(at_end | full, 0, inside + 1)),
            ]
        return at_end, inside, full


@dataclass(frozen=True)
class _Slot:
    """What goes with an element: whether it closes a window's part of a row, where the window is
    kept, and whether the row is the window's first and its last.
    """

    closes: Value
    place: Value
    top: Value
    last: Value

    def later(self, m: Module, enable: Value, number: int) -> _Slot:
        """The same an enabled cycle later."""
        closes = Signal(name=f"closes_{number}")
        place = Signal(len(self.place), name=f"place_{number}", reset_less=True)
        top = Signal(name=f"top_{number}", reset_less=True)
        last = Signal(name=f"last_{number}", reset_less=True)
        with m.If(enable):
            m.d.sync += [
                closes.eq(self.closes),
                place.eq(self.place),
                top.eq(self.top),
                last.eq(self.last),
            ]
        return _Slot(closes, place, top, last)
