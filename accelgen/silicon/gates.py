"""A mapped module as gates between nets, and their simulation with delays.

Simulation takes many independent streams of stimuli at once, one per bit of an integer.  Every
cell has one delay (the mean of its arcs in an SDF file) and is inertial: pulses shorter than it are
swallowed.  What the toggles cost: :mod:`accelgen.silicon.energies`.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelgen.silicon.liberty import Cell, Cells, mean

__all__ = ["ONE", "ZERO", "Gate", "Netlist", "Simulation", "delays"]

ONE, ZERO = -1, -2
"""Nets of the constants."""


@dataclass
class Gate:
    """A cell between nets: a combinational output or a flip-flop."""

    cell: Cell
    pin: str
    evaluate: Callable[..., int]
    inputs: list[int]
    output: int
    delay: int
    apart: bool = False
    name: str = ""
    clock: int = ZERO
    """The clock net of a flip-flop."""


@dataclass(frozen=True)
class ClockGate:
    """A cell that lets clock cycles through in which ``enable`` is set."""

    cell: Cell
    enable: int


def delays(sdf: Path, step: float) -> dict[str, int]:
    """Of every instance the mean delay of its arcs from ``sdf``, in steps of ``step`` ns, 1 up."""
    text = sdf.read_text()
    scale = {"ns": 1.0, "ps": 1e-3}[re.findall(r"TIMESCALE\s+1(ns|ps)", text)[0]]
    found = {}
    for part in text.split("(CELL\n")[1:]:
        name = re.findall(r"\(INSTANCE\s*(\S*?)\)", part)[0].replace("\\", "")
        arcs = [line for line in part.splitlines() if "IOPATH" in line and "RESET" not in line]
        times = [float(x) for arc in arcs for x in re.findall(r"\(([\d.]+):", arc)]
        found[name] = max(1, round(mean(times) * scale / step))
    return found


class Netlist:
    """A mapped module, from JSON by Yosys, with a delay for every instance.

    Flip-flops that drive a net whose name begins with one of ``apart`` are set apart.  Cells that
    the library does not have (modules, macros) are ``others``; what they give is no gate's.
    """

    def __init__(
        self,
        module: Mapping[str, Any],
        cells: Cells,
        times: Mapping[str, int],
        apart: Sequence[str] = (),
    ) -> None:
        self.cells = cells
        self.others: dict[str, tuple[str, dict[str, list[int]]]] = {}
        """Kind and pins of cells that the library does not have."""
        self.ports = {
            name: (port["direction"], [_net(bit) for bit in port["bits"]])
            for name, port in module["ports"].items()
        }
        self.gates: list[Gate] = []
        self.registers: list[Gate] = []
        self.clock_gates: dict[int, ClockGate] = {}
        """By the clock net they drive."""
        self.clock_load: dict[int, float] = {}
        """Capacitance of the clock pins on a net."""
        self.constants = {ONE: True, ZERO: False}
        self.load: dict[int, float] = {}
        """Capacitance of the pins on a net."""
        self.fanout: dict[int, int] = {}
        self.leakage = 0.0
        outside = {
            _net(bit)
            for name, item in module["netnames"].items()
            for bit in item["bits"]
            if name.startswith(tuple(apart))
        }
        for name, item in module["cells"].items():
            ends = {pin: [_net(bit) for bit in bits] for pin, bits in item["connections"].items()}
            try:
                cell = cells[item["type"]]
            except KeyError:
                self.others[name] = item["type"], ends
                continue
            pins = {pin: bits[0] for pin, bits in ends.items() if bits}
            # Cells without a delay drive constants.
            self._add(name, cell, pins, times.get(name, 1), outside)

    def _add(
        self, name: str, cell: Cell, pins: Mapping[str, int], delay: int, outside: set[int]
    ) -> None:
        if cell.gating is not None:
            enable, clock, output = cell.gating
            self.clock_gates[pins[output]] = ClockGate(cell, pins[enable])
            pins = {pin: net for pin, net in pins.items() if pin not in (clock, output)}
        outputs = [pin for pin in pins if "function" in cell.pins[pin].attributes]
        apart = cell.storage is not None and any(pins[pin] in outside for pin in outputs)
        if not apart:
            self.leakage += cell.leakage * self.cells.leakage_unit
        for pin in outputs:
            text = cell.pins[pin].attributes["function"].strip("() ")
            if text in ("0", "1"):
                self.constants[pins[pin]] = text == "1"
                continue
            evaluate, names = cell.function(pin)
            inputs = [pins[one] for one in names]
            clock_net = pins.get(cell.clock, ZERO)
            gate = Gate(cell, pin, evaluate, inputs, pins[pin], delay, apart, name, clock_net)
            (self.registers if cell.storage is not None else self.gates).append(gate)
        for pin, net in pins.items():
            if pin not in outputs and pin != cell.clock:
                self.load[net] = self.load.get(net, 0.0) + cell.capacitance(pin)
                self.fanout[net] = self.fanout.get(net, 0) + 1
            elif pin == cell.clock:
                self.clock_load[net] = self.clock_load.get(net, 0.0) + cell.capacitance(pin)

    def load_of(self, net: int, more: float = 0.0, pins: int = 0) -> float:
        """Capacitance of a net, with ``more`` of ``pins`` elsewhere: of its pins and its wires."""
        fanout = self.fanout.get(net, 0) + pins
        wires = self.cells.wire(fanout) if fanout else 0.0
        return self.load.get(net, 0.0) + more + wires

    def reads(self, gate: Gate) -> list[int]:
        """The nets that decide what a gate gives next: of a flip-flop, its enable among them."""
        gating = self.clock_gates.get(gate.clock)
        return gate.inputs if gating is None else [*gate.inputs, gating.enable]

    def enabled(self, gate: Gate, values: Mapping[int, int], mask: int) -> int:
        """The streams in which a flip-flop is clocked."""
        gating = self.clock_gates.get(gate.clock)
        return mask if gating is None else values.get(gating.enable, 0) & mask

    def next(self, gate: Gate, values: Mapping[int, int], mask: int) -> int:
        """What a flip-flop holds after a cycle with these values before its clock edge."""
        taken = gate.evaluate(*[values.get(net, 0) for net in gate.inputs])
        on = self.enabled(gate, values, mask)
        return (taken & on) | (values.get(gate.output, 0) & ~on & mask)


class Simulation:
    """Values of all nets, and their toggles since they were last cleared.

    ``settled`` are values that the gates agree with, from which it goes on; without them all inputs
    and flip-flops are 0.  Outputs of the gates ``cut`` do not follow their inputs.  ``parts`` are
    masks of lanes whose toggles are counted apart, in ``toggles_of``.
    """

    def __init__(
        self,
        netlist: Netlist,
        lanes: int,
        settled: Mapping[int, int] | None = None,
        cut: Sequence[Gate] = (),
        parts: Sequence[int] = (),
    ) -> None:
        self.netlist = netlist
        self.mask = (1 << lanes) - 1
        self.value = {net: self.mask if one else 0 for net, one in netlist.constants.items()}
        self.toggles: dict[int, int] = {}
        self.toggles_of: list[dict[int, int]] = [{} for _ in parts]
        self._parts = list(zip(parts, self.toggles_of, strict=True))
        self._pending: dict[int, list[tuple[int, int]]] = {}
        self._queue: list[tuple[int, int]] = []
        self._readers: dict[int, list[Gate]] = {}
        apart = {id(gate) for gate in cut}
        for gate in netlist.gates:
            if id(gate) in apart:
                continue
            for net in set(gate.inputs):
                self._readers.setdefault(net, []).append(gate)
        if settled is not None:
            self.value |= settled
            return
        for gate in netlist.gates:
            self.schedule(gate.output, self.result(gate), 1)
        self.settle()
        self.toggles.clear()

    def result(self, gate: Gate) -> int:
        """What a gate's inputs say."""
        return gate.evaluate(*[self.value.get(net, 0) for net in gate.inputs]) & self.mask

    def schedule(self, net: int, new: int, time: int) -> None:
        """Inertial: what is on its way to values other than ``new`` does not arrive."""
        before, left = self.value.get(net, 0), []
        for when, other in self._pending.get(net, ()):
            same = ~(other ^ new)
            kept = (other & same) | (before & ~same)
            if kept != before:
                left.append((when, kept))
                before = kept
        if new != before:
            left.append((time, new))
            heapq.heappush(self._queue, (time, net))
        self._pending[net] = left

    def settle(self) -> None:
        """Until nothing changes any more."""
        queue = self._queue
        while queue:
            time = queue[0][0]
            touched: dict[int, Gate] = {}
            while queue and queue[0][0] == time:
                _, net = heapq.heappop(queue)
                arriving = self._pending.get(net)
                if arriving and arriving[0][0] == time:
                    touched |= {id(gate): gate for gate in self._change(net, arriving.pop(0)[1])}
            for gate in touched.values():
                self.schedule(gate.output, self.result(gate), time + gate.delay)

    def _change(self, net: int, new: int) -> list[Gate]:
        changed = new ^ self.value.get(net, 0)
        self.value[net] = new
        self.toggles[net] = self.toggles.get(net, 0) + changed.bit_count()
        for part, toggles in self._parts:
            toggles[net] = toggles.get(net, 0) + (changed & part).bit_count()
        return self._readers.get(net, [])


def _net(bit: int | str) -> int:
    """The net of a bit in Yosys' JSON; undefined ones are 0."""
    return bit if isinstance(bit, int) else {"1": ONE}.get(bit, ZERO)
