"""Which memory serves which slot, at which address, while the base index moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from amaranth.hdl import C, Const, Module, Mux, Signal, Value

from accelgen.fabric.layout import Layout
from accelgen.rtl.streams.geometry import address_bits
from accelgen.rtl.streams.rotate import rotate_dimension

__all__ = ["Addressing", "Slots", "merged"]

Coordinates = tuple[int, ...]
_ZERO = C(0, 1)


@dataclass(frozen=True)
class Slots:
    """The accesses that one dataflow makes in every cycle, relative to a moving index: ``offsets``
    per slot, and the dimensions in which the memories they meet change (``rotating``).
    """

    offsets: tuple[Coordinates, ...]
    rotating: tuple[bool, ...]


class Addressing:
    """The modular arithmetic of slots ``v + offsets[p]`` over a layout.

    Slot ``p`` has the residues ``offsets[p] mod moduli`` and the quotients
    ``offsets[p] // moduli``.  With ``rho = v mod moduli`` (zero where nothing rotates) it meets
    memory ``b = (residue + rho) mod moduli``, and its address there is

        address + sum_j strides[j] * (quotient[j] + (residue[j] + rho[j] >= moduli[j]))

    where the comparison is the same as ``b[j] < rho[j]``: it needs no slot.

    ``strides`` are those of the layout, or values where the shape is not always the same.  A
    distance between addresses is the number of times that each stride is in it.
    """

    def __init__(
        self,
        layout: Layout,
        offsets: Sequence[Coordinates],
        rotating: Sequence[bool],
        strides: Sequence[Value] | None = None,
    ) -> None:
        layout.check()
        dimensions = range(len(layout.shape))
        assert offsets
        assert len(rotating) == len(layout.shape)
        assert all(len(offset) == len(layout.shape) for offset in offsets)
        self.layout = layout
        self.bits = address_bits(layout)
        self.moving = tuple(j for j in dimensions if rotating[j] and layout.moduli[j] > 1)
        self.residues = tuple(
            tuple(d % n for d, n in zip(offset, layout.moduli, strict=True)) for offset in offsets
        )
        assert len(set(self.residues)) == len(offsets), "two slots meet in one memory"
        self._strides = strides
        self._distance = {
            residue: self._reduced(tuple(offset[j] // layout.moduli[j] for j in dimensions))
            for residue, offset in zip(self.residues, offsets, strict=True)
        }

    def residue_width(self, dimension: int) -> int:
        """Width of ``rho`` in a moving dimension."""
        return (self.layout.moduli[dimension] - 1).bit_length()

    def used(self, memories: Sequence[Coordinates]) -> tuple[Coordinates, ...]:
        """The memories that some slot may meet."""
        fixed = [j for j in range(len(self.layout.shape)) if j not in self.moving]
        met = {tuple(residue[j] for j in fixed) for residue in self.residues}
        return tuple(b for b in memories if tuple(b[j] for j in fixed) in met)

    def _reduced(self, quotients: Coordinates) -> Coordinates:
        """How often a distance has each stride in it; all of it the last one where these are
        known, because it is 1.
        """
        if self._strides is not None:
            return quotients
        total = sum(q * stride for q, stride in zip(quotients, self.layout.strides, strict=True))
        return (*(0 for _ in quotients[1:]), total % (1 << self.bits))

    def _beyond(self, distance: Coordinates, j: int, crossed: int) -> Coordinates:
        """A distance and, when ``crossed``, one more stride of dimension ``j``."""
        further = tuple(q + crossed * (i == j) for i, q in enumerate(distance))
        return self._reduced(further)

    def _plus(self, address: Value, distance: Coordinates) -> Value:
        """``address`` and a distance."""
        if self._strides is None:
            return address + distance[-1]
        for count, stride in zip(distance, self._strides, strict=True):
            if count:
                address = address + (stride if count == 1 else stride * count)
        return address

    def addresses(
        self,
        m: Module,
        memories: Sequence[Coordinates],
        address: Value,
        rho: Mapping[int, Value],
    ) -> dict[Coordinates, Value]:
        """The address for every memory; memories with the same address share the value."""
        distances = sorted(set(self._distance.values()))
        kind = self._kinds(m, memories, distances, rho)
        kind_bits = (len(distances) - 1).bit_length()
        crossing = [j for j in self.moving if any(r[j] for r in self.residues)]
        comparisons: dict[tuple[int, int], Value] = {}
        sums: dict[Coordinates, Value] = {(0,) * len(self.layout.shape): address}
        result: dict[Coordinates, Value] = {}
        shared: dict[tuple[int, ...], Value] = {}
        for b in memories:
            chosen = kind.get(b, _ZERO)
            crosses = [self._crosses(m, j, b[j], rho[j], comparisons) for j in crossing]
            key = tuple(id(value) for value in (chosen, *crosses))
            if key not in shared:
                # One choice for every combination of (crossings, kind), kind in the low bits.
                choices: list[Coordinates] = []
                for bits in product((0, 1), repeat=len(crossing)):
                    for k in range(1 << kind_bits):
                        distance = distances[min(k, len(distances) - 1)]
                        for j, crossed in zip(crossing, bits, strict=True):
                            distance = self._beyond(distance, j, crossed)
                        choices.append(distance)
                select = [chosen[bit] for bit in range(kind_bits)]
                if isinstance(chosen, Const):
                    select = [C(chosen.value >> bit & 1, 1) for bit in range(kind_bits)]
                name = "address_" + "_".join(map(str, b))
                shared[key] = self._select(
                    m, [*select, *reversed(crosses)], choices, address, sums, name
                )
            result[b] = shared[key]
        return result

    def _select(
        self,
        m: Module,
        select: list[Value],
        distances: list[Coordinates],
        address: Value,
        sums: dict[Coordinates, Value],
        name: str,
    ) -> Value:
        """``address + distances[select]``: adders are shared in ``sums``, muxes follow them."""
        constant = 0
        for position, bit in enumerate(select):
            if isinstance(bit, Const):
                constant |= bit.value << position
        free = [p for p, bit in enumerate(select) if not isinstance(bit, Const)]
        choices: list[Value] = []
        for number in range(1 << len(free)):
            index = constant | sum((number >> i & 1) << p for i, p in enumerate(free))
            distance = distances[index]
            if distance not in sums:
                known = distance[-1:] if self._strides is None else distance
                name_of = "_".join(map(str, ("address_plus", *known)))
                sums[distance] = Signal(self.bits, name=name_of)
                m.d.comb += sums[distance].eq(self._plus(address, distance))
            choices.append(sums[distance])
        for position in free:
            following: list[Value] = []
            for low, high in zip(choices[::2], choices[1::2], strict=True):
                if low is high:
                    following.append(low)
                    continue
                mux = Signal(self.bits, name=f"{name}_{position}_{len(following)}")
                m.d.comb += mux.eq(Mux(select[position], high, low))
                following.append(mux)
            choices = following
        return choices[0]

    def _crosses(
        self, m: Module, j: int, b: int, rho: Value, known: dict[tuple[int, int], Value]
    ) -> Value:
        """Whether the slot that memory coordinate ``b`` meets lies beyond the next multiple."""
        residues = {residue[j] for residue in self.residues}
        # With a single residue the comparison is the same for all memories.
        bound = self.layout.moduli[j] - min(residues) if len(residues) == 1 else b + 1
        if bound >= self.layout.moduli[j]:
            return _ZERO
        if (j, bound) not in known:
            known[j, bound] = crosses = Signal(name=f"crosses_{j}_{bound}")
            m.d.comb += crosses.eq(rho >= bound)
        return known[j, bound]

    def _kinds(
        self,
        m: Module,
        memories: Sequence[Coordinates],
        distances: list[Coordinates],
        rho: Mapping[int, Value],
    ) -> dict[Coordinates, Value]:
        """For every memory the index into ``distances`` of the slot it meets (empty if one)."""
        if len(distances) == 1:
            return {}
        width = (len(distances) - 1).bit_length()
        constants = [C(k, width) for k in range(len(distances))]
        relevant = self._relevant()
        values: dict[Coordinates, Value] = {
            tuple(r[j] if j in relevant else 0 for j in range(len(r))): constants[
                distances.index(distance)
            ]
            for r, distance in self._distance.items()
        }
        moved = [j for j in self.moving if j in relevant]
        targets = {b: tuple(b[j] if j in relevant else 0 for j in range(len(b))) for b in memories}
        for done, j in enumerate(moved):
            later = moved[done + 1 :]
            needed = _spread(set(targets.values()), later, self.layout.moduli)
            values = rotate_dimension(
                m, values, j, self.layout.moduli[j], rho[j], -1, needed, f"kind_{j}"
            )
        # A memory that never meets a slot may take any kind.
        return {b: values.get(target, constants[0]) for b, target in targets.items()}

    def _relevant(self) -> set[int]:
        """A small set of dimensions whose residues determine the distance of a slot."""
        relevant = set(range(len(self.layout.shape)))
        for j in sorted(relevant):
            table: dict[Coordinates, Coordinates] = {}
            fewer = sorted(relevant - {j})
            if all(
                table.setdefault(tuple(r[i] for i in fewer), distance) == distance
                for r, distance in self._distance.items()
            ):
                relevant.discard(j)
        return relevant

    def to_slots(
        self, m: Module, data: Mapping[Coordinates, Value], rho: Mapping[int, Value]
    ) -> tuple[Value | None, ...]:
        """What every slot reads, given what every memory holds; ``None``: no memory at all."""
        moduli = self.layout.moduli
        # Dimensions with few residues in use first: they leave the least to do for the others.
        order = sorted(self.moving, key=lambda j: len({r[j] for r in self.residues}) / moduli[j])
        values = dict(data)
        for done, j in enumerate(order):
            needed = _spread(set(self.residues), order[done + 1 :], moduli)
            values = rotate_dimension(m, values, j, moduli[j], rho[j], 1, needed, f"read_{j}")
        return tuple(values.get(residue) for residue in self.residues)

    def to_memories(
        self,
        m: Module,
        slots: Sequence[Value],
        memories: Sequence[Coordinates],
        rho: Mapping[int, Value],
        name: str,
        *,
        idle: Value | None = None,
    ) -> dict[Coordinates, Value]:
        """What every memory gets from the slots; ``idle`` where there is none (else absent)."""
        moduli = self.layout.moduli
        values: dict[Coordinates, Value] = dict(zip(self.residues, slots, strict=True))
        order = sorted(self.moving, key=lambda j: -len({r[j] for r in self.residues}) / moduli[j])
        if idle is not None:
            for place in _spread(set(self.residues), self.moving, moduli):
                values.setdefault(place, idle)
        for done, j in enumerate(order):
            needed = _spread(set(memories), order[done + 1 :], moduli)
            values = rotate_dimension(m, values, j, moduli[j], rho[j], -1, needed, f"{name}_{j}")
        return {b: values[b] for b in memories if b in values}


def merged(
    m: Module, values: Sequence[Value | None], choice: Value | None, name: str
) -> Value | None:
    """The value of the chosen dataflow; ``None`` stands for any value."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    if choice is None or all(value is known[0] for value in known):
        return known[0]
    chosen = Signal(max(map(len, known)), name=name)
    with m.Switch(choice):
        for number, value in enumerate(values):
            if value is not None:
                with m.Case(number):
                    m.d.comb += chosen.eq(value)
        # A dataflow that does not look may get what another does.
        with m.Default():
            m.d.comb += chosen.eq(known[-1])
    return chosen


def _spread(
    places: set[Coordinates], dimensions: Sequence[int], moduli: Sequence[int]
) -> set[Coordinates]:
    """All places that differ from one of ``places`` only in ``dimensions``."""
    for j in dimensions:
        places = {(*p[:j], i, *p[j + 1 :]) for p in places for i in range(moduli[j])}
    return places
