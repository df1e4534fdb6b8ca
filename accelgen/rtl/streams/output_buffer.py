"""Banked memories that collect results: written, or added to, by any number of slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.layout import Layout
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.addressing import Slots, merged
from accelgen.rtl.streams.bank import AccumulatorBank, Bank
from accelgen.rtl.streams.geometry import StreamGeometry, bank_depth, live_memories
from accelgen.rtl.streams.input_buffer import (
    access_ports,
    addressings_of,
    choice_of,
    merged_addresses,
    moving_dimensions,
    register_shared,
)
from accelgen.rtl.streams.ports import bank_read

__all__ = ["OutputBuffer"]

Coordinates = tuple[int, ...]


class OutputBuffer(wiring.Component):
    """The memories of an output tensor, two pages each, written by all slots in every cycle.

    In every cycle slot ``p`` writes ``data_<p>`` to element ``v + writes[p]`` when ``enable_<p>``
    is high; ``v`` is given by ``address`` and ``residue_<j>`` as for an InputBuffer, and so are
    the conditions on ``writes`` and ``rotating``.  An enabled element must be in the tensor.
    With ``accumulate`` the value is added to what is there (from zero, modulo two to the width)
    and the same element may be written in any cycles; otherwise it replaces what is there.

    Several dataflows may take turns, as in an InputBuffer.

    Handshake: ``ready`` (the memories are cleared after reset; constantly high without
    ``accumulate``), ``free`` (the page for compute is empty), ``commit`` (pulse, only while
    ``free``: the page is complete).  ``commit`` may be given in the cycle in which the last
    element is written, or later; data of the next page may be presented in the cycle after it.
    ``latency`` is the number of cycles from the one in which data is presented to the one in
    which the element is written, inclusive.  One write per slot and cycle.
    """

    def __init__(
        self,
        layout: Layout,
        writes: tuple[tuple[int, ...], ...],
        rotating: tuple[bool, ...],
        library: UnitLibrary,
        *,
        accumulate: bool,
        others: tuple[Slots, ...] = (),
    ) -> None:
        self.layout = layout
        self.library = library
        self.accumulate = accumulate
        self.uses = (Slots(writes, rotating), *others)
        self.moving = moving_dimensions(layout, self.uses)
        access = access_ports(layout, self.uses)
        members = {
            "read": In(bank_read(layout, clear=accumulate)),
            "address": access.pop("address"),
            "free": Out(1),
            "commit": In(1),
            "ready": Out(1),
            **access,
        }
        for slot in range(max(len(use.offsets) for use in self.uses)):
            members[f"data_{slot}"] = In(layout.element_bits)
            members[f"enable_{slot}"] = In(1)
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from presenting data to writing it, both counted."""
        return (AccumulatorBank.LATENCY if self.accumulate else 1) + bool(self.moving)

    @staticmethod
    def latency_of(layout: Layout, rotating: tuple[bool, ...], *, accumulate: bool) -> int:
        """The latency of such a buffer, without building one.

        Write, or read, add and write; one more to rotate.
        """
        moves = any(r and n > 1 for r, n in zip(rotating, layout.moduli, strict=True))
        return (AccumulatorBank.LATENCY if accumulate else 1) + moves

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        live = live_memories(self.layout)
        addressings = addressings_of(self, self.layout, self.uses)
        choice = choice_of(self, self.uses)
        rho = {j: getattr(self, f"residue_{j}") for j in self.moving}
        given = [
            addressing.to_memories(
                m, [getattr(self, f"data_{p}") for p in range(len(use.offsets))], live, rho, "data"
            )
            for addressing, use in zip(addressings, self.uses, strict=True)
        ]
        enabled = [
            addressing.to_memories(
                m,
                [getattr(self, f"enable_{p}") for p in range(len(use.offsets))],
                live,
                rho,
                "enable",
                idle=C(0, 1),
            )
            for addressing, use in zip(addressings, self.uses, strict=True)
        ]
        written = tuple(b for b in live if any(b in data for data in given))
        data = self._merged(m, given, written, choice, "data_for", None)
        enable = self._merged(m, enabled, written, choice, "enable_for", C(0, 1))
        address = merged_addresses(m, addressings, given, written, self.address, rho, choice)
        if rho:
            address = register_shared(m, address, "address_at")
            data = register_shared(m, data, "data_at")
            enable = register_shared(m, enable, "enable_at", reset_less=False)
        page, full = self._pages(m)
        sweep = self._sweep(m)
        for number, b in enumerate(live):
            if b not in data:  # no slot ever writes here
                m.d.comb += self.read.data[number].eq(0)
                continue
            write = (address[b], data[b], enable[b])
            name = "bank_" + "_".join(map(str, b))
            if self.accumulate:
                m.submodules[name] = self._accumulator(m, number, b, page, full, sweep, write)
            else:
                m.submodules[name] = self._plain(m, number, b, page, write)
        return m

    def _merged(
        self,
        m: Module,
        given: Sequence[Mapping[Coordinates, Value]],
        written: Sequence[Coordinates],
        choice: Value | None,
        name: str,
        idle: Value | None,
    ) -> dict[Coordinates, Value]:
        """What every memory gets, whichever dataflow is chosen; ``idle`` where it gets nothing."""
        result: dict[Coordinates, Value] = {}
        for b in written:
            values = [found.get(b, idle) for found in given]
            value = merged(m, values, choice, "_".join(map(str, (name, *b))))
            assert value is not None
            result[b] = value
        return result

    def _pages(self, m: Module) -> tuple[Signal, Value]:
        """Which page compute writes, and which pages the Collector has."""
        page = Signal()
        oldest = Signal()
        full = Signal(2)
        m.d.comb += self.read.full.eq(full)
        m.d.sync += [page.eq(page ^ self.commit), oldest.eq(oldest ^ self.read.done)]
        for number in range(2):
            with m.If(self.commit & (page == number)):
                m.d.sync += full[number].eq(1)
            with m.Elif(self.read.done & (oldest == number)):
                m.d.sync += full[number].eq(0)
        m.d.comb += self.free.eq(self.ready & ~Mux(page, full[1], full[0]))
        return page, full

    def _sweep(self, m: Module) -> Value:
        """The address that is cleared in both pages while ``ready`` is still low."""
        if not self.accumulate:
            m.d.comb += self.ready.eq(1)
            return C(0)
        words = bank_depth(self.layout)
        sweep = Signal(range(words))
        with m.If(~self.ready):
            m.d.sync += [sweep.eq(sweep + 1), self.ready.eq(sweep == words - 1)]
        return sweep

    def _plain(
        self,
        m: Module,
        number: int,
        b: Coordinates,
        page: Value,
        write: tuple[Value, Value, Value],
    ) -> Bank:
        """A memory that is written once per element."""
        address, data, enable = write
        bank = Bank.instance(self.library, self.layout.element_bits, 2 * bank_depth(self.layout))
        m.d.comb += [
            bank.write_enable.eq(enable),
            bank.write_address.eq(Cat(page, address)),
            bank.write_data.eq(data),
            bank.read_enable.eq(self.read.enable),
            bank.read_address.eq(Cat(self.read.page, self._read_address(b))),
            self.read.data[number].eq(bank.read_data),
        ]
        return bank

    def _accumulator(
        self,
        m: Module,
        number: int,
        b: Coordinates,
        page: Value,
        full: Value,
        sweep: Value,
        write: tuple[Value, Value, Value],
    ) -> AccumulatorBank:
        """A memory that is added to, and cleared as it is read or swept after reset."""
        address, data, enable = write
        words = bank_depth(self.layout)
        bank = AccumulatorBank.instance(self.library, self.layout.element_bits, words)
        take = self.read.take[number] & self.read.enable
        sweeping = ~self.ready
        m.d.comb += [
            bank.page.eq(page),
            bank.address.eq(address),
            bank.enable.eq(enable),
            bank.data.eq(data),
            bank.owned.eq(full | sweeping.replicate(2)),
            bank.stream_page.eq(self.read.page),
            bank.stream_enable.eq(self.read.enable),
            bank.stream_address.eq(Mux(sweeping, sweep, self._read_address(b))),
            bank.clear.eq(
                Cat(
                    sweeping | (take & ~self.read.page),
                    sweeping | (take & self.read.page),
                )
            ),
            self.read.data[number].eq(bank.stream_data),
        ]
        return bank

    def _read_address(self, b: Coordinates) -> Value:
        wraps = StreamGeometry(self.layout).wraps
        address: Value = self.read.address[b[-1] if wraps else 0]
        return address
