"""Tiles that were found become items for the sequencer, and requests for their data."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import LIST_BITS, Core
from accelgen.rtl.attention.tile_info import POSITION_BITS, list_item
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["Outlet"]


class Outlet(wiring.Component):
    """Holds the tile found last until it is known whether another one follows.

    Ports (in, unless said): ``position`` of the row group, ``begin`` (pulse: of another one);
    ``put`` (pulse, only while ``free``): hold the tile ``column`` with ``flags``, ``whole`` or only
    when ``complete``, a pulse, comes; ``end``: what is held is the last of its row group, or there
    is none, and it goes as soon as there is ``room`` (out); ``free`` (out: a tile can be put);
    ``began`` (out: one was put); ``summary``: a tile of summaries goes as soon as there is room,
    number ``column``; ``mask_taken``, ``mask_free`` (pulses) and ``mask_room``, ``slot`` (out): the
    slots for masks, which are taken in order; ``item``, ``item_valid`` (out), ``item_ready``;
    ``requests`` (out: see Scheduler).
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        super().__init__(
            {
                "position": In(POSITION_BITS),
                "begin": In(1),
                "put": In(1),
                "column": In(POSITION_BITS),
                "flags": In(3),
                "whole": In(1),
                "complete": In(1),
                "end": In(1),
                "summary": In(2),
                "room": Out(1),
                "free": Out(1),
                "began": Out(1),
                "mask_taken": In(1),
                "mask_free": In(1),
                "mask_room": Out(1),
                "slot": Out(range(core.mask_slots)),
                "item": Out(list_item(core)),
                "item_valid": Out(1),
                "item_ready": In(1),
                "requests": Out(axi_stream(LIST_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        layout = list_item(self.core)
        m.submodules.items = items = fifo.SyncFIFO(width=layout.size, depth=self.core.list_depth)
        held, held_valid = Signal(layout, reset_less=True), Signal()
        passed = Signal()  # one of this row group was passed on
        emit = Signal()
        item = Signal(layout)
        summing = self.summary != 0
        requests = self.requests
        m.d.comb += [
            self.room.eq(items.w_rdy & (~requests.tvalid | requests.tready)),
            self.free.eq(self.room | ~held_valid),
            self.began.eq(passed | held_valid),
            emit.eq(self.room & (self.end | summing | (self.put & held_valid))),
            item.eq(held),
            item.position.eq(self.position),
            item.first.eq(~passed),
            item.last.eq(self.end),
            item.void.eq(~held_valid),
            items.w_data.eq(item),
            items.w_en.eq(emit),
            self.item.eq(items.r_data),
            self.item_valid.eq(items.r_rdy),
            items.r_en.eq(self.item_ready),
            requests.tlast.eq(1),
        ]
        with m.If(~held_valid):
            m.d.comb += item.flags.eq(0)
        with m.If(summing):
            m.d.comb += [
                item.column.eq(self.column),
                item.summary.eq(self.summary),
                item.flags.eq(0),
                item.first.eq(0),
                item.void.eq(0),
            ]
        with m.Else():
            m.d.comb += item.summary.eq(0)
        with m.If(requests.tready):
            m.d.sync += requests.tvalid.eq(0)
        with m.If(emit):
            m.d.sync += passed.eq(passed | ~summing)
            with m.If(held_valid | summing):
                m.d.sync += [
                    requests.tvalid.eq(1),
                    requests.tdata.eq(Cat(item.column, self.position, self.end, self.summary)),
                ]
        with m.If(self.put):
            m.d.sync += [
                held.column.eq(self.column),
                held.flags.eq(self.flags),
                held.slot.eq(self.slot),
                held_valid.eq(self.whole),
            ]
        with m.Elif(self.end & self.room):
            m.d.sync += held_valid.eq(0)
        with m.Elif(self.complete):
            m.d.sync += held_valid.eq(1)
        with m.If(self.begin):
            m.d.sync += passed.eq(0)
        self._masks(m)
        return m

    def _masks(self, m: Module) -> None:
        """Count the slots that are in use."""
        slots = self.core.mask_slots
        used = Signal(range(slots + 1))
        m.d.comb += self.mask_room.eq(used != slots)
        m.d.sync += used.eq(used + self.mask_taken - self.mask_free)
        with m.If(self.mask_taken):
            m.d.sync += self.slot.eq(Mux(self.slot == slots - 1, 0, self.slot + 1))
