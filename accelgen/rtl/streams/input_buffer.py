"""Banked memories that feed the array: any number of slots relative to a moving index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from amaranth.hdl import C, Cat, Fragment, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.layout import Layout
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.addressing import Addressing, Slots, merged
from accelgen.rtl.streams.bank import Bank
from accelgen.rtl.streams.geometry import (
    StreamGeometry,
    address_bits,
    bank_depth,
    live_memories,
)
from accelgen.rtl.streams.ports import bank_write

__all__ = ["InputBuffer", "bank_widths"]

Coordinates = tuple[int, ...]


class InputBuffer(wiring.Component):
    """The memories of an input tensor, two pages each, read by all slots in every cycle.

    In every cycle slot ``p`` reads element ``v + reads[p]`` of ``page``, where ``v`` is given by
    ``address = sum_j (v[j] // moduli[j]) * strides[j]`` (modulo two to its width) and, for every
    dimension ``j`` with ``rotating[j]`` and ``moduli[j] > 1``, ``residue_<j> = v[j] % moduli[j]``.
    Where ``rotating[j]`` is false ``v[j] % moduli[j]`` must be 0: the caller folds a constant
    into ``reads``.  Residues of ``reads`` modulo ``moduli`` must differ between slots.

    Several dataflows may take turns (``others``): each has slots of its own, and ``dataflow`` says
    whose are read.  With a flexible layout ``stride_<j>`` is given too (see SegmentWalker).

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
        others: tuple[Slots, ...] = (),
    ) -> None:
        self.layout = layout
        self.library = library
        self.uses = (Slots(reads, rotating), *others)
        self.moving = moving_dimensions(layout, self.uses)
        members = {
            "write": In(bank_write(layout)),
            "page": In(1),
            **access_ports(layout, self.uses),
        }
        for slot in range(max(len(use.offsets) for use in self.uses)):
            members[f"data_{slot}"] = Out(layout.element_bits)
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from an address to its data."""
        return 3 if self.moving else 1

    @staticmethod
    def latency_of(layout: Layout, rotating: tuple[bool, ...]) -> int:
        """The latency of such a buffer, without building one."""
        moves = any(r and n > 1 for r, n in zip(rotating, layout.moduli, strict=True))
        return 3 if moves else 1

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        live = live_memories(self.layout)
        addressings = addressings_of(self, self.layout, self.uses)
        met = [set(addressing.used(live)) for addressing in addressings]
        used = tuple(b for b in live if any(b in memories for memories in met))
        rho = {j: getattr(self, f"residue_{j}") for j in self.moving}
        addresses = merged_addresses(
            m, addressings, met, used, self.address, rho, choice_of(self, self.uses)
        )
        page: Value = self.page
        choice = choice_of(self, self.uses)
        if rho:
            addresses = register_shared(m, addresses, "address_at")
            page = Signal(name="page_d1", reset_less=True)
            m.d.sync += page.eq(self.page)
        data: dict[tuple[int, ...], Value] = {}
        for word in _words(self.layout, used, addresses):
            data |= self._bank(m, word, Cat(page, addresses[word[0]]))
        turned = delayed(m, rho, 2)
        slots = [addressing.to_slots(m, data, turned) for addressing in addressings]
        for slot in range(max(map(len, slots))):
            output = getattr(self, f"data_{slot}")
            values = [found[slot] if slot < len(found) else None for found in slots]
            value = merged(m, values, choice, f"slot_{slot}")
            m.d["sync" if rho else "comb"] += output.eq(C(0) if value is None else value)
        return m

    def _bank(
        self, m: Module, word: tuple[Coordinates, ...], address: Value
    ) -> dict[Coordinates, Value]:
        """One bank, connected to the Loader; returns what it reads for each of its memories."""
        layout, g = self.layout, StreamGeometry(self.layout)
        bits, first = layout.element_bits, word[0]
        bank = Bank.instance(self.library, len(word) * bits, 2 * bank_depth(layout))
        m.submodules["bank_" + "_".join(map(str, first))] = bank
        number = live_memories(layout).index(first)
        lanes = [self.write.data[b[-1] % g.data_lanes] for b in word]
        m.d.comb += [
            bank.write_enable.eq(self.write.enable[number]),
            bank.write_address.eq(
                Cat(self.write.page, self.write.address[first[-1] if g.wraps else 0])
            ),
            bank.write_data.eq(Cat(*lanes)),
            bank.read_enable.eq(1),
            bank.read_address.eq(address),
        ]
        return {b: bank.read_data.word_select(k, bits) for k, b in enumerate(word)}


def moving_dimensions(layout: Layout, uses: Sequence[Slots]) -> tuple[int, ...]:
    """The dimensions in which some dataflow's slots change memories."""
    return tuple(
        j
        for j, modulus in enumerate(layout.moduli)
        if modulus > 1 and any(use.rotating[j] for use in uses)
    )


def access_ports(layout: Layout, uses: Sequence[Slots]) -> dict[str, wiring.Member]:
    """The moving index, as inputs, and what else changes from one problem to another."""
    ports = {"address": In(address_bits(layout))}
    for j in moving_dimensions(layout, uses):
        ports[f"residue_{j}"] = In(range(layout.moduli[j]))
    if layout.words is not None:
        for j in range(len(layout.shape) - 1):
            ports[f"stride_{j}"] = In(address_bits(layout))
    if len(uses) > 1:
        ports["dataflow"] = In(range(len(uses)))
    return ports


def choice_of(buffer: wiring.Component, uses: Sequence[Slots]) -> Value | None:
    """The port that says which dataflow's slots count, if there are several."""
    return buffer.dataflow if len(uses) > 1 else None


def addressings_of(
    buffer: wiring.Component, layout: Layout, uses: Sequence[Slots]
) -> list[Addressing]:
    """The arithmetic of every dataflow's slots."""
    strides: list[Value] | None = None
    if layout.words is not None:
        strides = [getattr(buffer, f"stride_{j}") for j in range(len(layout.shape) - 1)]
        strides.append(C(1))
    return [Addressing(layout, use.offsets, use.rotating, strides) for use in uses]


def merged_addresses(
    m: Module,
    addressings: Sequence[Addressing],
    met: Sequence[Collection[Coordinates]],
    used: Sequence[Coordinates],
    address: Value,
    rho: Mapping[int, Value],
    choice: Value | None,
) -> dict[Coordinates, Value]:
    """The address for every memory in use, whichever dataflow is chosen."""
    found = [
        addressing.addresses(m, [b for b in used if b in memories], address, rho)
        for addressing, memories in zip(addressings, met, strict=True)
    ]
    shared: dict[tuple[int, ...], Value] = {}
    result: dict[Coordinates, Value] = {}
    for b in used:
        values = [addresses.get(b) for addresses in found]
        key = tuple(map(id, values))
        if key not in shared:
            value = merged(m, values, choice, "_".join(map(str, ("at", *b))))
            assert value is not None
            shared[key] = value
        result[b] = shared[key]
    return result


def bank_widths(
    layout: Layout, reads: tuple[Coordinates, ...], rotating: tuple[bool, ...]
) -> dict[int, int]:
    """The banks of an InputBuffer, without building one: how many of each width in elements."""
    addressing = Addressing(layout, reads, rotating)
    m = Module()
    rho: dict[int, Value] = {j: Signal(addressing.residue_width(j)) for j in addressing.moving}
    used = addressing.used(live_memories(layout))
    words = _words(layout, used, addressing.addresses(m, used, Signal(addressing.bits), rho))
    Fragment.get(m, None)  # Amaranth warns of modules that are made and not used
    return dict(sorted(Counter(len(word) for word in words).items()))


def _words(
    layout: Layout, used: tuple[Coordinates, ...], addresses: dict[Coordinates, Value]
) -> list[tuple[Coordinates, ...]]:
    """The memories, joined to one wide bank where a beat of the stream always fills all of
    them at once and they are always read at one address.
    """
    lanes = layout.per_beat
    beats = layout.aligned and layout.moduli[-1] % lanes == 0 and not StreamGeometry(layout).wraps
    groups: dict[tuple[Coordinates, int, int], list[Coordinates]] = {}
    for b in used:
        place = b[-1] // lanes if beats else b[-1]
        groups.setdefault((b[:-1], place, id(addresses[b])), []).append(b)
    words: list[tuple[Coordinates, ...]] = []
    for group in groups.values():
        whole = beats and len(group) == lanes
        words += [tuple(group)] if whole else [(b,) for b in group]
    return words


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
