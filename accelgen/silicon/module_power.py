"""The power of one module of a mapped design, all its instances and all cycles at once.

A bit of an integer is a cycle of an instance.  What the module is given, and what its registers
hold, comes from the simulation of the Verilog; its gates are simulated from the values before to
those after every clock edge, with their delays, so that glitches count.  The problems of a design
that runs several are simulated together as well: what takes time is the events, not their width.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.silicon.energies import Counts, charge
from accelgen.silicon.gates import Gate, Netlist, Simulation
from accelgen.silicon.loads import Load
from accelgen.silicon.trace import Trace

__all__ = ["Accesses", "ModulePower", "WindowPower", "simulate_module"]

_REGISTER = re.compile(r"(.*?)(?:\[(\d+)\])?_reg(?:_\d+)?")
_BIT = re.compile(r"(.*)\[(\d+)\]")


@dataclass(frozen=True)
class Accesses:
    """Reads and writes per cycle of all macros of one kind in a module, of all its instances."""

    macro: str
    reads: float
    writes: float


@dataclass(frozen=True)
class WindowPower:
    """Of all instances, in the cycles of one problem: pJ per cycle inside of cells and in what they
    drive.

    ``glitches`` is the part of the two that toggles take that a net makes beside the one to its new
    value.
    """

    internal: float
    switching: float
    glitches: float
    accesses: tuple[Accesses, ...]


@dataclass(frozen=True)
class ModulePower:
    """Of all instances: what they take in each window of cycles, leakage in mW.

    ``annotated`` of the ``sources`` (bits of inputs, registers, macros) follow the trace.
    ``mismatches`` of ``compared`` next states differ from the trace.
    """

    windows: tuple[WindowPower, ...]
    leakage: float
    annotated: int
    sources: int
    compared: int
    mismatches: int


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
    windows: Sequence[NDArray[np.int64]],
    step: float,
    words: int | None = None,
) -> ModulePower:
    """Simulate the instances at ``paths`` in the cycles of some ``windows``; ``step`` ns is one of
    the simulation.  ``words`` is how many a memory has that is made of flip-flops.
    """
    cycles = np.concatenate(windows)
    cells, mask = netlist.cells, (1 << len(paths) * len(cycles)) - 1
    load = {net: netlist.load_of(net, *outside.get(net, (0.0, 0))) for net in _driven(netlist)}
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
    inside = mask & ~_beyond(netlist, before, words) if words else mask
    for net, gate in registers.items():
        if net in known and all(one in certain or one < 0 for one in netlist.reads(gate)):
            wrong = (netlist.next(gate, before, mask) ^ lanes.values[2][net]) & inside
            compared += inside.bit_count()
            mismatches += wrong.bit_count()
    after = {net: lanes.values[2][net] for net in known}
    after |= {gate.output: netlist.next(gate, before, mask) for gate in missing}
    parts = _masks([len(window) for window in windows], len(paths))
    run = Simulation(netlist, lanes.count, before, cut, parts if len(parts) > 1 else ())
    # Inputs come from registers elsewhere, as late as those of this module.
    usual = max([1, *(gate.delay for gate in netlist.registers)])
    for net, value in after.items():
        gate_or_none = registers.get(net)
        run.schedule(net, value, gate_or_none.delay if gate_or_none else usual)
    for gate in cut:
        run.schedule(gate.output, lanes.values[2][gate.output], usual + gate.delay)
    run.settle()
    moved = {net: v ^ before.get(net, 0) for net, v in run.value.items()}
    found = []
    for part, toggles in zip(parts, run.toggles_of or [run.toggles], strict=True):
        count = part.bit_count()
        counts = Counts(
            toggles=toggles,
            moved=Counter({net: (v & part).bit_count() for net, v in moved.items()}),
        )
        counts.clock(netlist, before, part)
        total = charge(netlist, counts, load)
        scale = len(paths) / count
        found.append(
            WindowPower(
                internal=total.internal * scale,
                switching=total.switching * scale,
                glitches=max(0.0, (total.internal + total.switching - total.useful) * scale),
                accesses=_accesses(netlist, run.value, part, scale),
            )
        )
    return ModulePower(
        windows=tuple(found),
        leakage=netlist.leakage * len(paths),
        annotated=len(known) * len(paths),
        sources=len(sources) * len(paths),
        compared=compared,
        mismatches=mismatches,
    )


def _beyond(netlist: Netlist, values: Mapping[int, int], words: int) -> int:
    """The lanes in which a word is read that a memory does not have, as it may be while nobody
    uses what is read: simulation and gates need not agree on it.
    """
    _, address = netlist.ports["read_address"]
    above, equal = 0, -1
    for bit in reversed(range(max(len(address), words.bit_length()))):
        one = values.get(address[bit], 0) if bit < len(address) else 0
        if words >> bit & 1:
            equal &= one
        else:
            above |= equal & one
            equal &= ~one
    return above | equal


def _masks(lengths: Sequence[int], instances: int) -> list[int]:
    """The lanes of each window, of all instances."""
    window = np.repeat(np.arange(len(lengths)), lengths)
    return [
        int.from_bytes(
            np.packbits(np.tile(window == k, instances), bitorder="little").tobytes(), "little"
        )
        for k in range(len(lengths))
    ]


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


def _accesses(
    netlist: Netlist, values: Mapping[int, int], part: int, scale: float
) -> tuple[Accesses, ...]:
    found = []
    for kind, pins in netlist.others.values():
        if not {"A_MEN", "A_WEN", "A_REN"} <= set(pins):
            continue
        on, write, read = (
            values.get(pins[pin][0], 0) & part for pin in ("A_MEN", "A_WEN", "A_REN")
        )
        if "B_ADDR" not in pins:  # one port, which a write has
            read &= ~write
        found.append(
            Accesses(kind, (on & read).bit_count() * scale,
                     (on & write).bit_count() * scale)
        )  # fmt: skip
    return tuple(found)
