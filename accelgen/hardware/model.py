"""Hardware as the cost model sees it: an array of units, and the memories in and above it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from accelgen.affine.roles import LOOP_ROLES, ROLES, Role
from accelgen.energy.model import mac_name
from accelgen.errors import InputError
from accelgen.hardware.attention import AttentionArrays
from accelgen.hardware.words import ANY_FORMAT, UNIT_KINDS, UnitKind, unsigned_names
from accelgen.names import FrozenMap, check_name, unknown, within

__all__ = ["ANY_FORMAT", "Dataflow", "Hardware", "Level", "Memory"]

MAX_UNITS = 1 << 20
MAX_LANES = 1024


@dataclass(frozen=True)
class Memory:
    """A memory of a level, for the tensors whose roles it ``holds``.

    ``size`` in bytes (``None``: holds everything); ``bandwidth`` in bytes per cycle, reads and
    writes together, towards the level below (``None``: never the bottleneck); energy in
    picojoule per bit read and written; ``buffers`` 2 when a tile is replaced while another is in
    use, 1 when that has to wait.  With ``slides`` it keeps, while one loop advances, the elements
    that two tiles share (the window of a convolution).  With ``streams`` a memory of the buffer
    keeps nothing: it fetches every tile that the array takes from the level above, while the array
    is busy with the one before.  Leakage in milliwatt, area in square millimetre (``None``: not
    known), of one copy.
    """

    name: str
    size: int | None
    bandwidth: float | None
    read_pj: float
    write_pj: float
    holds: tuple[Role, ...] = ROLES
    buffers: int = 2
    slides: bool = False
    leakage_mw: float = 0.0
    area_mm2: float | None = None
    streams: bool = False

    def __post_init__(self) -> None:
        check_name(self.name, "memory")
        with within(self.name):
            for what, value in (("size", self.size), ("bandwidth", self.bandwidth)):
                if value is not None and not 0 < value < math.inf:
                    raise InputError(f"{what} {value}", hint="give a positive number")
            for value in (self.read_pj, self.write_pj):
                if not 0 <= value < math.inf:
                    raise InputError(f"an energy of {value} pJ per bit", hint="use 0 or more")
            for value in (self.leakage_mw, self.area_mm2 or 0.0):
                if not 0 <= value < math.inf:
                    raise InputError(f"leakage or area of {value}", hint="use 0 or more")
            if self.buffers not in (1, 2):
                raise InputError(f"{self.buffers} buffers", hint="use 1 or 2")
            for role in self.holds:
                if role not in ROLES:
                    raise unknown(role, "role", ROLES)
            if self.streams and "outputs" in self.holds:
                raise InputError("streams outputs", hint="let another memory hold them")


@dataclass(frozen=True)
class Level:
    """Memories at one distance from the units, which together hold every role once.

    ``links`` are bytes per cycle that the wires to the level below carry, by role and in each
    direction (no entry: never the bottleneck).
    """

    name: str
    memories: tuple[Memory, ...]
    links: Mapping[Role, float] = FrozenMap()

    def __post_init__(self) -> None:
        check_name(self.name, "level")
        with within(self.name):
            held = sorted(chain(*(memory.holds for memory in self.memories)))
            if held != sorted(ROLES):
                raise InputError(
                    f"its memories hold {', '.join(held) or 'nothing'}",
                    hint=f"give each of {', '.join(ROLES)} one memory",
                )
            names = [memory.name for memory in self.memories]
            if len(set(names)) < len(names):
                raise InputError("two memories have one name", hint="rename one")
            for role, rate in self.links.items():
                if role not in ROLES:
                    raise unknown(role, "role", ROLES)
                if not 0 < rate < math.inf:
                    raise InputError(f"links: {role}: {rate}", hint="give a positive number")

    def memory(self, role: Role) -> Memory:
        """The memory that holds tensors of a role."""
        return next(memory for memory in self.memories if role in memory.holds)


@dataclass(frozen=True)
class Dataflow:
    """What an array can run in space: for each axis the roles of loops it may unroll.

    An axis unrolls one of them, or with ``several`` a product of sizes of several.  ``stationary``
    names the tensors whose tile in the units is used for all it is needed for before another
    takes its place (``None``: any order of the loops).  ``inner`` are the roles of loops that a
    unit with registers runs on its own (``None``: any).
    """

    name: str
    unrolls: Mapping[str, tuple[str, ...]]
    several: bool = False
    stationary: Role | None = None
    inner: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "dataflow")
        with within(self.name):
            for loop in chain(self.inner or (), *self.unrolls.values()):
                if loop not in LOOP_ROLES:
                    raise unknown(loop, "role of a loop", LOOP_ROLES)
            if self.stationary is not None and self.stationary not in ROLES:
                raise unknown(self.stationary, "role", ROLES)


@dataclass(frozen=True)
class Hardware:
    """An array of multiply-accumulate units under a chain of memories, innermost first.

    ``array`` gives the extent of every axis, ``dataflows`` what may run in space (anything when
    not given).  Every unit does one multiply-accumulate per cycle.  ``registers`` are the
    memories of one unit; without them it holds one element of each tensor.  Elements that several
    units want are read once.

    ``mac_pj`` is the energy of a multiply-accumulate by the formats of its factors (``int4*int8``,
    in any order; :data:`ANY_FORMAT` for all others), with its registers when ``registers`` are not
    given. ``link_pj`` is what a bit takes that a unit gets from the level above or gives to it.
    ``join_cycles`` are cycles for which a unit adds a sum that comes from elsewhere instead of
    multiplying, ``skewed`` the axes along which data go from unit to unit, a cycle each, ``fill``
    the cycles from the first multiplication of a unit to its result in the level above.
    ``unit_leakage_mw`` and ``unit_area_mm2`` are of one unit with what it has. ``sources`` says
    where figures are from, ``sum_bits`` is the width of unfinished sums (``None``: as wide as they
    can get).  ``attention`` are the arrays on which attention runs where a pattern is asked for.

    ``unit`` says what units are: ``plain``, or of widths chosen at run time
    (:mod:`accelgen.hardware.words`), of which ``mac_pj`` is the energy of one of the products that
    they make at once, whatever the signs, and ``alone_pj`` that of a unit when it makes one only
    (no entry: as much as of all); ``lanes`` are those of a bit-serial unit.
    """

    name: str
    array: Mapping[str, int]
    levels: tuple[Level, ...]
    mac_pj: Mapping[str, float]
    clock_mhz: float = 1000.0
    dataflows: tuple[Dataflow, ...] = ()
    registers: Level | None = None
    link_pj: float = 0.0
    join_cycles: int = 0
    skewed: tuple[str, ...] = ()
    fill: int = 0
    unit_leakage_mw: float = 0.0
    unit_area_mm2: float | None = None
    sources: str = ""
    sum_bits: int | None = None
    attention: AttentionArrays = AttentionArrays()  # noqa: RUF009 - frozen
    unit: UnitKind = "plain"
    lanes: int = 1
    alone_pj: Mapping[str, float] = FrozenMap()

    def __post_init__(self) -> None:
        check_name(self.name, "hardware")
        with within("array"):
            for axis, extent in self.array.items():
                check_name(axis, "axis")
                if not 1 <= extent <= MAX_UNITS:
                    raise InputError(f"{axis}: {extent} is outside 1..{MAX_UNITS}")
            if self.units > MAX_UNITS:
                raise InputError(f"{self.units} units", hint=f"use at most {MAX_UNITS}")
        if self.sum_bits is not None and not 1 <= self.sum_bits <= 512:
            raise InputError(f"{self.sum_bits}", where="sum_bits", hint="use 32")
        for axis in chain(self.skewed, *(dataflow.unrolls for dataflow in self.dataflows)):
            if axis not in self.array:
                raise unknown(axis, "axis", self.array)
        self._check_levels()
        if self.unit not in UNIT_KINDS:
            raise unknown(self.unit, "kind of unit", UNIT_KINDS)
        if not 1 <= self.lanes <= (MAX_LANES if self.unit == "bit_serial" else 1):
            raise InputError(
                f"{self.lanes} lanes of a {self.unit} unit",
                where="lanes",
                hint=f"use 1 to {MAX_LANES} for a bit_serial one, else leave it out",
            )
        if not 0 < self.clock_mhz < math.inf:
            raise InputError(
                f"{self.clock_mhz:g} MHz", where="clock_mhz", hint="give a positive number"
            )
        for what, values in (
            ("mac_pj", self.mac_pj.values()),
            ("alone_pj", self.alone_pj.values()),
            ("link_pj", (self.link_pj,)),
            ("join_cycles", (self.join_cycles,)),
            ("fill", (self.fill,)),
            ("unit_leakage_mw", (self.unit_leakage_mw,)),
            ("unit_area_mm2", (self.unit_area_mm2 or 0.0,)),
        ):
            for value in values:
                if not 0 <= value < math.inf:
                    raise InputError(f"{value}", where=what, hint="use 0 or more")

    def _check_levels(self) -> None:
        if not self.levels:
            raise InputError("no level", where="levels", hint="give a memory at least")
        if any(memory.size is not None for memory in self.levels[-1].memories):
            raise InputError(
                "the outermost level must hold everything", where="levels", hint="give it no size"
            )
        names = [level.name for level in self.levels]
        if self.registers is not None:
            names.append(self.registers.name)
        if len({*names, "mac"}) < len(names) + 1:
            raise InputError(
                "two levels have one name, or one is called mac", where="levels", hint="rename one"
            )
        memories = [memory.name for level in self.levels for memory in level.memories]
        for name in memories:
            if memories.count(name) > 1:
                raise InputError(
                    f"two levels have a memory {name}", where="levels", hint="rename one"
                )

    @property
    def units(self) -> int:
        """Number of multiply-accumulate units."""
        return math.prod(self.array.values())

    @property
    def area_mm2(self) -> float | None:
        """Area of everything on the chip: units with registers, and the levels of limited size.

        ``None`` when one of these is not known.
        """
        memories = [
            memory for level in self.levels for memory in level.memories if memory.size is not None
        ]
        areas = [memory.area_mm2 for memory in memories]
        per_unit = [self.unit_area_mm2]
        if self.registers is not None:
            per_unit += [memory.area_mm2 for memory in self.registers.memories]
        known = [area for area in areas if area is not None]
        known += [self.units * area for area in per_unit if area is not None]
        return sum(known) if len(known) == len(areas) + len(per_unit) else None

    @property
    def leakage_mw(self) -> float:
        """Leakage of everything."""
        units = self.unit_leakage_mw
        if self.registers is not None:
            units += sum(memory.leakage_mw for memory in self.registers.memories)
        memories = chain(*(level.memories for level in self.levels))
        return self.units * units + sum(memory.leakage_mw for memory in memories)

    @property
    def leakage_pj_per_cycle(self) -> float:
        """The same per cycle: mW x us / 1000 is pJ, a cycle is 1 / clock_mhz us."""
        return 1000.0 * self.leakage_mw / self.clock_mhz

    def mac_energy(self, number_format: str) -> float:
        """Energy of a multiply-accumulate; :class:`InputError` for a format without one."""
        found = self._energy(self.mac_pj, number_format)
        if found is not None:
            return found
        wanted = mac_name(number_format)
        raise InputError(
            f"no units for {wanted}",
            where=self.name,
            hint=f"use formats it has ({', '.join(self.mac_pj) or 'none'}), or give its file an "
            f"entry mac_pj: {{{wanted}: ...}}",
        )

    def alone_energy(self, number_format: str) -> float | None:
        """Energy of a unit that makes one product of those it could; ``None``: not known."""
        return self._energy(self.alone_pj, number_format)

    def _energy(self, energies: Mapping[str, float], number_format: str) -> float | None:
        named = mac_name if self.unit == "plain" else unsigned_names
        wanted = named(number_format)
        for name, energy in energies.items():
            if name != ANY_FORMAT and named(name) == wanted:
                return energy
        return energies.get(ANY_FORMAT)
