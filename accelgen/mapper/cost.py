"""What a mapping costs: cycles by what happens tile by tile, energy by every move, exactly."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from math import inf, prod

import numpy as np

from accelgen.affine.roles import ROLES
from accelgen.hardware.model import Hardware
from accelgen.mapper.counts import moves_into, scratch_of
from accelgen.mapper.cycles import array_cycles
from accelgen.mapper.mapping import Mapping, spread_of
from accelgen.mapper.problem import Problem
from accelgen.mapper.space import fill_of
from accelgen.mapper.tables import (
    Config,
    Nest,
    Tables,
    config_of,
    levels_of,
    tables_of,
    working,
)
from accelgen.mapper.walk import total_cycles, walk_of
from accelgen.names import FrozenMap

__all__ = ["Cost", "Moves", "cost", "moves"]


@dataclass(frozen=True)
class Moves:
    """Elements of an operand that enter and leave a level: from the level above, to it.

    ``delivered`` are those that all units get or give, where ``entered`` and ``left`` are of the
    array.
    """

    entered: int
    left: int
    delivered: int = 0


@dataclass(frozen=True)
class Cost:
    """Cycles, and picojoule by level and action.

    ``cycles`` are all; ``compute_cycles`` what the array needs when nothing is waited for, of which
    ``fill_cycles`` until it is full; ``port_cycles`` what each memory and link needs to move
    everything, the outermost memory last.  ``shares`` say what the units do in all cycles (their
    sum is 1): ``multiply``, ``idle`` (the loops unrolled are smaller than the array), ``padding``
    (a last step has fewer iterations), ``sums`` (added from elsewhere), ``fill``, ``wait`` (for
    what is :attr:`limit`).  ``energy_pj`` is by level (``mac`` for multiplications, ``link`` for
    what goes to and from units, ``leakage``), ``action_pj`` by level and action.
    ``active_units`` work in a whole step of the array.
    """

    cycles: float
    compute_cycles: int
    fill_cycles: int
    port_cycles: MappingOf[str, float]
    shares: MappingOf[str, float]
    energy_pj: MappingOf[str, float]
    action_pj: MappingOf[tuple[str, str], float]
    active_units: int

    @property
    def total_pj(self) -> float:
        """Energy of everything."""
        return sum(self.energy_pj.values())

    @property
    def utilisation(self) -> float:
        """The share of units and cycles that multiply."""
        return self.shares["multiply"]

    @property
    def limit(self) -> str:
        """What takes longest on its own: ``compute``, a memory, or a link."""
        slowest = max(self.port_cycles, key=lambda name: self.port_cycles[name])
        return slowest if self.port_cycles[slowest] > self.compute_cycles else "compute"

    @property
    def edp(self) -> float:
        """Energy-delay product in pJ x cycles."""
        return self.total_pj * self.cycles

    def slowed(self, times: int) -> Cost:
        """The same in cycles of which ``times`` are one of these; energies stay."""
        if times == 1:
            return self
        return replace(
            self,
            cycles=self.cycles * times,
            compute_cycles=self.compute_cycles * times,
            fill_cycles=self.fill_cycles * times,
            port_cycles=FrozenMap({name: n * times for name, n in self.port_cycles.items()}),
        )


def moves(problem: Problem, hardware: Hardware, mapping: Mapping) -> list[dict[str, Moves]]:
    """Per level below the outermost (the array, the buffers) and operand: what enters and leaves.

    The same as :func:`accelgen.mapper.trace.trace`.
    """
    return _moves(problem, *_arrays(problem, hardware, mapping))


def _moves(problem: Problem, t: Tables, c: Config, nest: Nest) -> list[dict[str, Moves]]:
    found: list[dict[str, Moves]] = [{} for _ in range(len(nest.held) + 1)]
    known, scratch = len(nest.orders), scratch_of(len(nest.tiles), len(problem.bounds))
    for o, operand in enumerate(problem.operands):
        array, delivered = moves_into(t, o, c, nest, 0, known, True, scratch)
        whole = int(operand.footprint(np.array([problem.bounds], dtype=np.int64))[0])
        held = [
            array
            if p == 0 and t.streams[o]
            else moves_into(t, o, c, nest, level[o], known, False, scratch)[0]
            for p, level in enumerate(nest.held)
        ]
        for level, moved in enumerate((array, *held)):
            entered, left = (moved - whole, moved) if operand.is_output else (moved, 0)
            found[level][operand.name] = Moves(entered, left, 0 if level else delivered)
    return found


def cost(problem: Problem, hardware: Hardware, mapping: Mapping) -> Cost:
    """The cost of a mapping.

    Every element that enters or leaves a level is read on one side and written on the other.
    Cycles: see :func:`accelgen.mapper.walk.total_cycles`.
    """
    mapping.check(problem)
    t, c, nest = _arrays(problem, hardware, mapping)
    cycles = float(total_cycles(t, c, nest, walk_of(t, len(nest.tiles))))
    moved = _moves(problem, t, c, nest)
    actions = _energy(problem, hardware, moved)
    if t.leak > 0:
        actions["leakage", "leakage"] = t.leak * cycles
    energy = dict.fromkeys((level for level, _ in actions), 0.0)
    for (level, _), value in actions.items():
        energy[level] += value
    compute = int(array_cycles(t, c, t.bounds))
    active = prod(working(n, s) for n, s in zip(c.tile.tolist(), c.spread.tolist(), strict=True))
    return Cost(
        cycles,
        compute + c.fill,
        c.fill,
        FrozenMap(_port_cycles(problem, hardware, moved)),
        FrozenMap(_shares(problem, hardware, t, c, compute, active, cycles)),
        FrozenMap(energy),
        FrozenMap(actions),
        active,
    )


def _port_cycles(
    problem: Problem, hardware: Hardware, moved: list[dict[str, Moves]]
) -> dict[str, float]:
    """Cycles that each memory and each link needs towards the level below, where limited; of the
    outermost memory always.
    """
    found = {}
    several = len(hardware.levels) > 2
    for level, below in zip(hardware.levels, moved, strict=True):
        down, up = dict.fromkeys(ROLES, 0.0), dict.fromkeys(ROLES, 0.0)
        for operand in problem.operands:
            move, width = below[operand.name], operand.partial_bits
            down[operand.role] += move.entered * (width if operand.is_output else operand.bits)
            if operand.is_output:
                whole = move.left - move.entered
                up[operand.role] += move.entered * width + whole * operand.bits
        for memory in level.memories:
            if memory.bandwidth is not None or level is hardware.levels[-1]:
                bits = sum(down[role] + up[role] for role in memory.holds)
                found[memory.name] = bits / (8 * (memory.bandwidth or inf))
        for role, rate in level.links.items():
            name = f"link_{level.name}_{role}" if several else f"link_{role}"
            found[name] = max(down[role], up[role]) / (8 * rate)
    return found


def _shares(
    problem: Problem,
    hardware: Hardware,
    t: Tables,
    c: Config,
    compute: int,
    active: int,
    cycles: float,
) -> dict[str, float]:
    """What units do, as parts of all units in all cycles."""
    steps = int(array_cycles(t._replace(join=0), c, t.bounds))
    spent = {
        "multiply": float(problem.iterations),
        "idle": float((hardware.units - active) * steps),
        "padding": float(active * steps - problem.iterations),
        "sums": float(hardware.units * (compute - steps)),
        "fill": float(hardware.units * c.fill),
        "wait": hardware.units * (cycles - compute - c.fill),
    }
    return {what: value / (hardware.units * cycles) for what, value in spent.items()}


def _energy(
    problem: Problem, hardware: Hardware, moved: list[dict[str, Moves]]
) -> dict[tuple[str, str], float]:
    """PJ by (level, action)."""
    buffers, outer = levels_of(hardware)
    registers = hardware.registers
    energy: dict[tuple[str, str], float] = {}

    def add(level: str, action: str, picojoule: float) -> None:
        energy[level, action] = energy.get((level, action), 0.0) + picojoule

    add("mac", "multiply", problem.iterations * hardware.mac_energy(problem.number_format))
    for operand in problem.operands:
        whole = int(operand.footprint(np.array([problem.bounds], dtype=np.int64))[0])
        width = operand.partial_bits if operand.is_output else operand.bits
        # Finished sums are as wide as the result; every one leaves once.
        narrow = whole * (operand.partial_bits - operand.bits) if operand.is_output else 0
        crossed = []
        for level in moved:
            move = level[operand.name]
            crossed.append((move.entered * width, move.left * width - narrow))
        action = operand.role
        chain = [*(level.memory(action) for level in buffers), outer.memories[0]]
        names = [level.name for level in (*buffers, outer)]
        for k in reversed(range(len(names))):
            down, up = crossed[k]
            add(names[k], f"read {action}", down * chain[k].read_pj)
            add(names[k], f"write {action}", up * chain[k].write_pj)
            if k:
                add(names[k - 1], f"write {action}", down * chain[k - 1].write_pj)
                add(names[k - 1], f"read {action}", up * chain[k - 1].read_pj)
        array = moved[0][operand.name]
        given, got = array.delivered * operand.partial_bits, 0
        if operand.is_output:
            given, got = max(0, array.delivered - whole) * operand.partial_bits, given
        if hardware.link_pj > 0:
            add("link", f"{operand.role}", (given + got) * hardware.link_pj)
        if registers is not None:
            file = registers.memory(operand.role)
            reads = problem.iterations * operand.partial_bits
            writes = reads if operand.is_output else 0
            add(registers.name, f"read {operand.role}", (reads + got) * file.read_pj)
            add(registers.name, f"write {operand.role}", (writes + given) * file.write_pj)
    return energy


def _arrays(problem: Problem, hardware: Hardware, mapping: Mapping) -> tuple[Tables, Config, Nest]:
    n = len(problem.bounds)
    spread = np.array(spread_of(mapping.unrolling, n), dtype=np.int64)
    inner = np.array(mapping.inner or (1,) * n, dtype=np.int64)
    config = config_of(problem, spread, inner, fill_of(hardware, mapping.unrolling))
    tiles, orders, held = (
        np.array(x, dtype=np.int64)
        for x in (mapping.tiles[1:-1], mapping.orders, mapping.boxes_held(len(problem.operands)))
    )
    return tables_of(problem, hardware), config, Nest(tiles, orders, held)
