"""Energy of a mapped module: pJ from Liberty tables for what its nets and clocks did.

A toggle of a net costs C V^2 / 2, with C the pins on it and the wire-load model, and what the cell
that drives it takes inside; a clock cycle what the flip-flop, or the cell that gates its clock,
takes.  See :mod:`accelgen.silicon.liberty`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from accelgen.silicon.gates import Netlist, Simulation

__all__ = ["Charge", "Counts", "Energy", "charge", "simulate"]


@dataclass
class Counts:
    """What happened in a number of cycles of a number of streams, all taken together.

    ``toggles`` are those of nets, ``moved`` the cycles that a net left with another value than it
    had; ``clocked`` the cycles in which a flip-flop was clocked, by its output, ``passed`` those
    that a gate of the clock let through, by the clock net it drives.
    """

    cycles: int = 0
    toggles: Mapping[int, int] = field(default_factory=dict)
    moved: Counter[int] = field(default_factory=Counter)
    clocked: Counter[int] = field(default_factory=Counter)
    passed: Counter[int] = field(default_factory=Counter)

    def clock(self, netlist: Netlist, before: Mapping[int, int], part: int) -> None:
        """Count what a clock edge does, with these values before it, in the streams of ``part``."""
        self.cycles += part.bit_count()
        for gate in netlist.registers:
            self.clocked[gate.output] += netlist.enabled(gate, before, part).bit_count()
        for net, gating in netlist.clock_gates.items():
            self.passed[net] += (before.get(gating.enable, 0) & part).bit_count()


@dataclass
class Charge:
    """Energies in pJ: inside of cells, in what they drive, and what both were if no net toggled
    twice in a cycle.

    ``apart`` is what the flip-flops set apart take inside, and in none of the others; ``held`` the
    part of ``internal`` that the clock takes in flip-flops that keep their bits.
    """

    internal: float = 0.0
    switching: float = 0.0
    useful: float = 0.0
    apart: float = 0.0
    held: float = 0.0

    def inside(self, all_of_it: float, useful: float, *, apart: bool) -> None:
        """Add energy taken inside of a cell."""
        if apart:
            self.apart += all_of_it
        else:
            self.internal += all_of_it
            self.useful += useful


def charge(netlist: Netlist, counts: Counts, load: Mapping[int, float]) -> Charge:
    """What it takes; ``load`` is of driven nets, pins and wires, in the library's unit."""
    cells, total = netlist.cells, Charge()
    toggles, moved = counts.toggles, counts.moved
    for gate in (*netlist.gates, *netlist.registers):
        net = gate.output
        wire = load[net] * cells.unit * cells.voltage**2 / 2
        total.switching += toggles.get(net, 0) * wire
        total.useful += moved[net] * wire
        each = gate.cell.toggle(gate.pin, load[net])
        total.inside(toggles.get(net, 0) * each, moved[net] * each, apart=gate.apart)
    # One with two outputs is clocked once.
    for gate in {gate.name: gate for gate in reversed(netlist.registers)}.values():
        keep, move = gate.cell.clocked
        changed = moved[gate.output]
        held = (counts.clocked[gate.output] - changed) * keep
        total.inside(held + changed * move, held + changed * move, apart=gate.apart)
        total.held += 0.0 if gate.apart else held
        if "D" in gate.cell.pins:
            _pins(total, gate.cell.data("D"), gate.inputs, counts, apart=gate.apart)
    for net, gating in netlist.clock_gates.items():
        stopped, through = gating.cell.gated(netlist.clock_load.get(net, 0.0))
        on = counts.passed[net]
        clock = (counts.cycles - on) * stopped + on * through
        total.inside(clock, clock, apart=False)
        _pins(total, gating.cell.enabling, [gating.enable], counts, apart=False)
    return total


def _pins(total: Charge, each: float, nets: Sequence[int], counts: Counts, *, apart: bool) -> None:
    """Add what toggles of input pins take."""
    for net in nets:
        total.inside(counts.toggles.get(net, 0) * each, counts.moved[net] * each, apart=apart)


@dataclass
class Energy:
    """Energies in pJ per cycle, leakage in mW.

    ``apart`` is what the flip-flops set apart take inside (the wires that they drive count as
    others do), ``units`` all else; ``held`` the part of it that the clock takes in flip-flops that
    keep their bits, ``settled`` what ``units`` were if no net toggled twice in a cycle.
    ``changes`` are the flip-flops, not apart, that change in a cycle.  ``outputs`` are the bits of
    the ports after the last cycle, one bit per stream.
    """

    units: float = 0.0
    held: float = 0.0
    apart: float = 0.0
    settled: float = 0.0
    leakage: float = 0.0
    changes: float = 0.0
    outputs: dict[str, list[int]] = field(default_factory=dict)


def simulate(
    netlist: Netlist, stimuli: Sequence[Mapping[str, Sequence[int]]], lanes: int, skip: int
) -> Energy:
    """Mean energy of the cycles after the first ``skip``, per stream of ``lanes``.

    ``stimuli`` give of every cycle the bits of the inputs, lowest first, one bit per stream each.
    """
    run = Simulation(netlist, lanes)
    counts = Counts(toggles=run.toggles)
    for cycle, inputs in enumerate(stimuli):
        if cycle == skip:
            run.toggles.clear()
        before = dict(run.value)
        if cycle >= skip:
            counts.clock(netlist, before, run.mask)
        for gate in netlist.registers:
            run.schedule(gate.output, netlist.next(gate, before, run.mask), gate.delay)
        for port, words in inputs.items():
            for net, new in zip(netlist.ports[port][1], words, strict=True):
                run.schedule(net, new, 0)
        run.settle()
        if cycle >= skip:
            for net, new in run.value.items():
                counts.moved[net] += (new ^ before.get(net, 0)).bit_count()
    load = {
        gate.output: netlist.load_of(gate.output) for gate in (*netlist.gates, *netlist.registers)
    }
    total = charge(netlist, counts, load)
    per = 1 / counts.cycles
    changes = sum(counts.moved[gate.output] for gate in netlist.registers if not gate.apart)
    return Energy(
        units=(total.internal + total.switching) * per,
        held=total.held * per,
        apart=total.apart * per,
        settled=total.useful * per,
        leakage=netlist.leakage,
        changes=changes * per,
        outputs={
            name: [run.value.get(net, 0) for net in nets]
            for name, (direction, nets) in netlist.ports.items()
            if direction == "output"
        },
    )
