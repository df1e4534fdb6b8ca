"""Banked memories that feed the array: any number of slots relative to a moving index."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.layout import Layout
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.addressing import Addressing
from accelgen.rtl.streams.bank import Bank
from accelgen.rtl.streams.geometry import (
    StreamGeometry,
    address_bits,
    bank_depth,
    live_memories,
)
from accelgen.rtl.streams.ports import bank_write

__all__ = ["InputBuffer"]


class InputBuffer(wiring.Component):
    """The memories of an input tensor, two pages each, read by all slots in every cycle.

    In every cycle slot ``p`` reads element ``v + reads[p]`` of ``page``, where ``v`` is given by
    ``address = sum_j (v[j] // moduli[j]) * strides[j]`` (modulo two to its width) and, for every
    dimension ``j`` with ``rotating[j]`` and ``moduli[j] > 1``, ``residue_<j> = v[j] % moduli[j]``.
    Where ``rotating[j]`` is false ``v[j] % moduli[j]`` must be 0: the caller folds a constant
    into ``reads``.  Residues of ``reads`` modulo ``moduli`` must differ between slots.

    ``data_<p>`` follows ``latency`` cycles later: in a design where nothing rotates after 1 (the
    memory), otherwise after 3 (register of the address, memory, register behind the rotation).
    One read per slot and cycle.  Data of an index outside the tensor is don't care.
    """

    def __init__(
        self,
        layout: Layout,
        reads: tuple[tuple[int, ...], ...],
        rotating: tuple[bool, ...],
        library: UnitLibrary,
    ) -> None:
        self.layout = layout
        self.rotating = rotating
        self.library = library
        self.addressing = Addressing(layout, reads, rotating)
        members = {
            "write": In(bank_write(layout)),
            "page": In(1),
            "address": In(address_bits(layout)),
        }
        for j in self.addressing.moving:
            members[f"residue_{j}"] = In(self.addressing.residue_width(j))
        for slot in range(len(reads)):
            members[f"data_{slot}"] = Out(layout.element_bits)
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from an address to its data."""
        return self.latency_of(self.layout, self.rotating)

    @staticmethod
    def latency_of(layout: Layout, rotating: tuple[bool, ...]) -> int:
        """The latency of such a buffer, without building one."""
        moves = any(r and n > 1 for r, n in zip(rotating, layout.moduli, strict=True))
        return 3 if moves else 1

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        used = self.addressing.used(live_memories(self.layout))
        rho = {j: getattr(self, f"residue_{j}") for j in self.addressing.moving}
        addresses = self.addressing.addresses(m, used, self.address, rho)
        page: Value = self.page
        if rho:
            addresses = register_shared(m, addresses, "address_at")
            page = Signal(name="page_d1", reset_less=True)
            m.d.sync += page.eq(self.page)
        data: dict[tuple[int, ...], Value] = {}
        for b, bank in self._banks(m, used).items():
            m.d.comb += [bank.read_enable.eq(1), bank.read_address.eq(Cat(page, addresses[b]))]
            data[b] = bank.read_data
        slots = self.addressing.to_slots(m, data, delayed(m, rho, 2))
        for slot, value in enumerate(slots):
            output = getattr(self, f"data_{slot}")
            m.d["sync" if rho else "comb"] += output.eq(C(0) if value is None else value)
        return m

    def _banks(self, m: Module, used: tuple[tuple[int, ...], ...]) -> dict[tuple[int, ...], Bank]:
        """The memories that are ever read, connected to the Loader."""
        g = StreamGeometry(self.layout)
        banks: dict[tuple[int, ...], Bank] = {}
        for number, b in enumerate(live_memories(self.layout)):
            if b not in set(used):
                continue
            bank = Bank.instance(
                self.library, self.layout.element_bits, 2 * bank_depth(self.layout)
            )
            m.submodules["bank_" + "_".join(map(str, b))] = banks[b] = bank
            column = b[-1]
            m.d.comb += [
                bank.write_enable.eq(self.write.enable[number]),
                bank.write_address.eq(
                    Cat(self.write.page, self.write.address[column if g.wraps else 0])
                ),
                bank.write_data.eq(self.write.data[column % g.data_lanes]),
            ]
        return banks


def register_shared(
    m: Module, values: dict[tuple[int, ...], Value], label: str, *, reset_less: bool = True
) -> dict[tuple[int, ...], Value]:
    """A register behind every different value of a table."""
    registers: dict[int, Signal] = {}
    for place, value in values.items():
        if id(value) not in registers:
            name = "_".join([label, *map(str, place)])
            register = registers[id(value)] = Signal(len(value), name=name, reset_less=reset_less)
            m.d.sync += register.eq(value)
    return {place: registers[id(value)] for place, value in values.items()}


def delayed(m: Module, values: dict[int, Value], cycles: int) -> dict[int, Value]:
    """The residues as they were some cycles ago."""
    for age in range(1, cycles + 1):
        following: dict[int, Value] = {}
        for j, value in values.items():
            register = Signal(len(value), name=f"residue_{j}_d{age}", reset_less=True)
            m.d.sync += register.eq(value)
            following[j] = register
        values = following
    return values
