"""The power of one module of a mapped design, all its instances and all cycles at once.

A bit of an integer is a cycle of an instance.  What the module is given, and what its registers
hold, comes from the simulation of the Verilog; its gates are simulated from the values before to
those after every clock edge, with their delays, so that glitches count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.silicon.gates import Gate, Netlist, Simulation
from accelgen.silicon.loads import Load
from accelgen.silicon.trace import Trace

__all__ = ["Accesses", "ModulePower", "simulate_module"]

_REGISTER = re.compile(r"(.*?)(?:\[(\d+)\])?_reg(?:_\d+)?")
_BIT = re.compile(r"(.*)\[(\d+)\]")


@dataclass(frozen=True)
class Accesses:
    """Reads and writes per cycle of all macros of one kind in a module, of all its instances."""

    macro: str
    reads: float
    writes: float


@dataclass(frozen=True)
class ModulePower:
    """Of all instances: pJ per cycle inside of cells and in what they drive, leakage in mW.

    ``glitches`` is the part of the two that toggles take that a net makes beside the one to its new
    value.  ``annotated`` of the ``sources`` (bits of inputs, registers, macros) follow the trace.
    ``mismatches`` of ``compared`` next states differ from the trace.
    """

    internal: float
    switching: float
    glitches: float
    leakage: float
    annotated: int
    sources: int
    compared: int
    mismatches: int
    accesses: tuple[Accesses, ...]


@dataclass(frozen=True)
class _Lanes:
    """The values of traced nets at three times: two cycles before, one before, and after."""

    values: tuple[dict[int, int], dict[int, int], dict[int, int]]
    count: int


def simulate_module(
    module: Mapping[str, Any],
    netlist: Netlist,
    outside: Mapping[int, Load],
    trace: Trace,
    paths: Sequence[str],
    cycles: NDArray[np.int64],
    step: float,
) -> ModulePower:
    """Simulate the instances at ``paths`` in ``cycles``; ``step`` ns is one of the simulation."""
    cells, mask = netlist.cells, (1 << len(paths) * len(cycles)) - 1
    load = {net: _sum(netlist, net, outside) for net in _driven(netlist)}
    for gate in (*netlist.gates, *netlist.registers):
        delay = gate.cell.delay(gate.pin, load[gate.output]) * cells.nanoseconds
        gate.delay = max(1, round(delay / step))
    lanes = _lanes(module, trace, paths, cycles)
    _from_names(netlist, lanes, trace, paths, cycles)
    order = _order(netlist)
    sources, registers = _sources(netlist), {gate.output: gate for gate in netlist.registers}
    known = {net for net in sources if net in lanes.values[1]}
    missing = [gate for net, gate in registers.items() if net not in known]
    early = {gate.output: 0 for gate in missing}
    if missing:
        settled, _ = _settle(netlist, order, lanes.values[0], early, known, mask)
        early = {gate.output: netlist.next(gate, settled, mask) for gate in missing}
    before, cut = _settle(netlist, order, lanes.values[1], early, known, mask)
    certain = _certain(order, known, lanes.values[1])
    compared = mismatches = 0
    for net, gate in registers.items():
        if net in known and all(one in certain or one < 0 for one in netlist.reads(gate)):
            wrong = netlist.next(gate, before, mask) ^ lanes.values[2][net]
            compared += lanes.count
            mismatches += wrong.bit_count()
    after = {net: lanes.values[2][net] for net in known}
    after |= {gate.output: netlist.next(gate, before, mask) for gate in missing}
    run = Simulation(netlist, lanes.count, before, cut)
    # Inputs come from registers elsewhere, as late as those of this module.
    usual = max([1, *(gate.delay for gate in netlist.registers)])
    for net, value in after.items():
        gate_or_none = registers.get(net)
        run.schedule(net, value, gate_or_none.delay if gate_or_none else usual)
    for gate in cut:
        run.schedule(gate.output, lanes.values[2][gate.output], usual + gate.delay)
    run.settle()
    internal, switching, useful = _energies(netlist, run, before, load, lanes.count)
    scale = len(paths) / lanes.count
    return ModulePower(
        internal=internal * scale,
        switching=switching * scale,
        glitches=max(0.0, (internal + switching - useful) * scale),
        leakage=netlist.leakage * len(paths),
        annotated=len(known) * len(paths),
        sources=len(sources) * len(paths),
        compared=compared,
        mismatches=mismatches,
        accesses=_accesses(netlist, run.value, scale),
    )


def _sum(netlist: Netlist, net: int, outside: Mapping[int, Load]) -> float:
    more, pins = outside.get(net, (0.0, 0))
    fanout = netlist.fanout.get(net, 0) + pins
    return netlist.load.get(net, 0.0) + more + (netlist.cells.wire(fanout) if fanout else 0.0)


def _driven(netlist: Netlist) -> set[int]:
    return {gate.output for gate in (*netlist.gates, *netlist.registers)}


def _sources(netlist: Netlist) -> set[int]:
    """Nets that no gate of the module drives, its clock left out."""
    inputs = {net for side, nets in netlist.ports.values() if side == "input" for net in nets}
    inputs |= {net for _, pins in netlist.others.values() for nets in pins.values() for net in nets}
    read = {net for gate in (*netlist.gates, *netlist.registers) for net in netlist.reads(gate)}
    inputs = (inputs & read) - {gate.output for gate in netlist.gates}
    return {net for net in inputs | {g.output for g in netlist.registers} if net >= 0}


def _lanes(
    module: Mapping[str, Any], trace: Trace, paths: Sequence[str], cycles: NDArray[np.int64]
) -> _Lanes:
    values: tuple[dict[int, int], ...] = ({}, {}, {})
    asked: dict[str, list[tuple[int, int]]] = {}
    for name, item in module["netnames"].items():
        bits = item["bits"]
        match = _BIT.fullmatch(name)
        if match and len(bits) == 1 and trace.find(paths[0], name) is None:
            asked.setdefault(match[1], []).append((int(match[2]), bits[0]))
        else:
            low = item.get("offset", 0)
            asked.setdefault(name, []).extend((low + k, bit) for k, bit in enumerate(bits))
    for name, places in asked.items():
        if trace.find(paths[0], name) is None:
            continue
        planes = [trace.planes(paths, name, cycles - back) for back in (2, 1, 0)]
        for kept, plane in zip(values, planes, strict=True):
            for k, net in places:
                if plane is not None and k in plane and isinstance(net, int):
                    kept[net] = plane[k]
    return _Lanes((values[0], values[1], values[2]), len(paths) * len(cycles))


def _from_names(
    netlist: Netlist,
    lanes: _Lanes,
    trace: Trace,
    paths: Sequence[str],
    cycles: NDArray[np.int64],
) -> None:
    """Add registers whose net has no name, by their own: those that give their bit inverted."""
    mask = (1 << lanes.count) - 1
    planes: dict[str, list[dict[int, int] | None]] = {}
    for gate in netlist.registers:
        match = _REGISTER.fullmatch(gate.name)
        if gate.output in lanes.values[1] or match is None:
            continue
        # A name with an index is a bit, or a word of a memory that is traced as such.
        whole = trace.find(paths[0], gate.name.rpartition("_reg")[0]) is not None
        name = gate.name.rpartition("_reg")[0] if whole or not match[2] else match[1]
        if name not in planes:
            planes[name] = [trace.planes(paths, name, cycles - back) for back in (2, 1, 0)]
        inverted = gate.evaluate(*(-1 for _ in gate.inputs)) & 1 == 0
        for kept, plane in zip(lanes.values, planes[name], strict=True):
            bit = 0 if whole or not match[2] else int(match[2])
            if plane is not None and bit in plane:
                kept[gate.output] = plane[bit] ^ mask if inverted else plane[bit]


def _order(netlist: Netlist) -> list[Gate]:
    """The gates, every one after those that it reads."""
    drivers = {gate.output: gate for gate in netlist.gates}
    order: list[Gate] = []
    state: dict[int, int] = {}
    for first in netlist.gates:
        stack = [(first, iter(first.inputs))]
        if state.get(first.output):
            continue
        state[first.output] = 1
        while stack:
            gate, left = stack[-1]
            for net in left:
                if net in drivers and not state.get(net):
                    state[net] = 1
                    stack.append((drivers[net], iter(drivers[net].inputs)))
                    break
            else:
                order.append(gate)
                stack.pop()
    return order


def _settle(
    netlist: Netlist,
    order: Sequence[Gate],
    traced: Mapping[int, int],
    held: Mapping[int, int],
    known: set[int],
    mask: int,
) -> tuple[dict[int, int], list[Gate]]:
    """The values of all nets, and the gates whose inputs are not known and whose outputs are."""
    value = {net: mask if one else 0 for net, one in netlist.constants.items()}
    value |= held
    value |= {net: traced[net] for net in known}
    certain = _certain(order, known, traced)
    cut = []
    for gate in order:
        if gate.output in traced and not all(n in certain or n < 0 for n in gate.inputs):
            cut.append(gate)
            value[gate.output] = traced[gate.output]
        else:
            value[gate.output] = gate.evaluate(*[value.get(n, 0) for n in gate.inputs]) & mask
    return value, cut


def _certain(order: Sequence[Gate], known: set[int], traced: Mapping[int, int]) -> set[int]:
    """Nets that follow from the trace."""
    certain = set(known)
    for gate in order:
        if gate.output in traced or all(n in certain or n < 0 for n in gate.inputs):
            certain.add(gate.output)
    return certain


def _energies(
    netlist: Netlist,
    run: Simulation,
    before: Mapping[int, int],
    load: Mapping[int, float],
    lanes: int,
) -> tuple[float, float, float]:
    """PJ of all lanes: inside of cells, in what they drive, and both without glitches."""
    cells, toggles = netlist.cells, run.toggles
    internal = switching = useful = 0.0
    moved = {net: (v ^ before.get(net, 0)).bit_count() for net, v in run.value.items()}
    for gate in (*netlist.gates, *netlist.registers):
        net = gate.output
        wire = load[net] * cells.unit * cells.voltage**2 / 2
        inside = gate.cell.toggle(gate.pin, load[net])
        switching += toggles.get(net, 0) * wire
        internal += toggles.get(net, 0) * inside
        useful += moved.get(net, 0) * (wire + inside)
    seen: set[str] = set()
    for gate in netlist.registers:
        if gate.name in seen:
            continue
        seen.add(gate.name)
        keep, move = gate.cell.clocked
        changed = moved.get(gate.output, 0)
        on = netlist.enabled(gate, before, (1 << lanes) - 1).bit_count()
        clock = (on - changed) * keep + changed * move
        each = gate.cell.data("D") if "D" in gate.cell.pins else 0.0
        internal += clock + sum(toggles.get(n, 0) for n in gate.inputs) * each
        useful += clock + sum(moved.get(n, 0) for n in gate.inputs) * each
    for net, gating in netlist.clock_gates.items():
        stopped, through = gating.cell.gated(netlist.clock_load.get(net, 0.0))
        on = (before.get(gating.enable, 0) & ((1 << lanes) - 1)).bit_count()
        internal += (lanes - on) * stopped + on * through
        useful += (lanes - on) * stopped + on * through
    return internal, switching, useful


def _accesses(netlist: Netlist, values: Mapping[int, int], scale: float) -> tuple[Accesses, ...]:
    found = []
    for kind, pins in netlist.others.values():
        if not {"A_MEN", "A_WEN", "A_REN"} <= set(pins):
            continue
        on, write, read = (values.get(pins[pin][0], 0) for pin in ("A_MEN", "A_WEN", "A_REN"))
        found.append(
            Accesses(kind, (on & read & ~write).bit_count() * scale,
                     (on & write).bit_count() * scale)
        )  # fmt: skip
    return tuple(found)
