"""What reports need of Liberty files: areas, functions, capacitances, delays, energies, leakage.

A toggle of an output takes the cell's internal energy at its load and a typical slew: the mean of
its arcs, and of rise and fall.  A flip-flop takes clock energy in every cycle, by whether it keeps
its bit or changes it.  Where a library gives energies for both supply rails, their mean counts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path

_NO_WIRE = (0.0, [(1.0, 0.0)], 0.0)

__all__ = ["Cell", "Cells", "Group", "mean", "parse"]

_TOKEN = re.compile(
    r'(\w+)\s*\(\s*((?:"[^"]*"|[^()"])*?)\s*\)\s*(\{|;|)|'
    r'(\w+)\s*:\s*("[^"]*"|[^;\n]+?)\s*[;\n]|(\})'
)
_NUMBER = re.compile(r"-?[\d.]+(?:[eE][-+]?\d+)?")


@dataclass
class Group:
    """A group of a Liberty file: attributes by name, groups in order."""

    kind: str
    label: str
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    def all(self, kind: str) -> Iterator[Group]:
        """The groups of a kind."""
        return (group for group in self.groups if group.kind == kind)


def parse(text: str) -> Group:
    """The groups of Liberty text, below one without a name."""
    root = Group("", "")
    stack = [root]
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    for match in _TOKEN.finditer(text.replace("\\\n", "")):
        if match[6]:
            stack.pop()
        elif match[1] and match[3] == "{":
            group = Group(match[1], match[2].strip('"'))
            stack[-1].groups.append(group)
            stack.append(group)
        elif match[1]:
            stack[-1].attributes[match[1]] = match[2]
        else:
            stack[-1].attributes[match[4]] = match[5].strip('"')
    return root


@lru_cache(maxsize=65536)
def numbers(text: str) -> tuple[float, ...]:
    """All numbers in a text; tables are asked for over and over."""
    return tuple(float(found) for found in _NUMBER.findall(text))


def at(table: Group, slew: float, load: float) -> float:
    """A table of one or two axes (slew, load) between its points, clamped to them."""
    values: Sequence[float] = numbers(table.attributes["values"])
    axes = [numbers(table.attributes[name]) for name in ("index_1", "index_2") if name in
            table.attributes]  # fmt: skip
    for axis, x in list(zip(axes, (slew, load), strict=False))[::-1]:
        low = min(max(bisect_right(axis, x) - 1, 0), len(axis) - 2)
        share = min(max((x - axis[low]) / (axis[low + 1] - axis[low]), 0.0), 1.0)
        values = [
            values[k + low] * (1 - share) + values[k + low + 1] * share
            for k in range(0, len(values), len(axis))
        ]
    return values[0]


def mean(values: Sequence[float]) -> float:
    """0 for none."""
    return sum(values) / len(values) if values else 0.0


def logic(expression: str) -> str:
    """A Liberty expression as one of Python."""
    text = re.sub(r"(\w+)\s*'", r"(~\1)", expression)
    text = text.replace("!", "~").replace("*", "&").replace("+", "|")
    return re.sub(r"\b1\b", "(-1)", text)


@dataclass(frozen=True)
class Cell:
    """What the simulation needs of a cell; energies in pJ, capacitances in the library's unit."""

    group: Group
    slew: float
    unit: float

    @cached_property
    def pins(self) -> dict[str, Group]:
        """Pins by name."""
        return {pin.label: pin for pin in self.group.all("pin")}

    @cached_property
    def storage(self) -> Group | None:
        """The flip-flop in the cell."""
        return next(self.group.all("ff"), None)

    @cached_property
    def clock(self) -> str:
        """The clock pin of a flip-flop."""
        return "" if self.storage is None else self.storage.attributes["clocked_on"]

    @cached_property
    def gating(self) -> tuple[str, str, str] | None:
        """Enable, clock and output of a cell that gates a clock."""
        if "clock_gating_integrated_cell" not in self.group.attributes:
            return None
        roles = ("clock_gate_enable_pin", "clock_gate_clock_pin", "clock_gate_out_pin")
        enable, clock, output = (
            next(name for name, pin in self.pins.items() if role in pin.attributes)
            for role in roles
        )
        return enable, clock, output

    def gated(self, load: float) -> tuple[float, float]:
        """Internal energy of a clock cycle that a cell which gates it stops, and lets through."""
        assert self.gating is not None
        enable, clock, output = self.gating

        def cycle(on: bool) -> float:
            # The output follows the clock; up, and down again.
            up, down = {enable: on}, {enable: on, clock: True, output: on}
            taken = self._edge(clock, "rise", up, 0.0) + self._edge(clock, "fall", down, 0.0)
            if on:
                taken += self._edge(output, "rise", up, load)
                taken += self._edge(output, "fall", down, load)
            return taken

        return cycle(False), cycle(True)

    @cached_property
    def enabling(self) -> float:
        """Internal energy of a toggle of the enable of a cell that gates a clock."""
        assert self.gating is not None
        enable, clock, _ = self.gating
        return mean([
            self._edge(enable, edge, {clock: level, enable: edge == "fall"}, 0.0)
            for edge in ("rise", "fall")
            for level in (False, True)
        ])  # fmt: skip

    def _edge(self, pin: str, edge: str, state: Mapping[str, bool], load: float) -> float:
        """Internal energy of an edge of a pin, ``state`` before it; pins that are not in it are 0.

        Groups with a condition that is met come before one without.
        """
        values = {name: -1 if state.get(name) else 0 for name in self.pins}
        met: list[Group] = []
        general: list[Group] = []
        for group in self.pins[pin].all("internal_power"):
            when = group.attributes.get("when")
            if when is None:
                general.append(group)
            elif eval(logic(when.strip('"')), {}, values) & 1:
                met.append(group)
        tables = [table for group in met or general for table in group.all(f"{edge}_power")]
        return mean([at(table, self.slew, load) for table in tables]) * self.unit

    @cached_property
    def leakage(self) -> float:
        """In the library's unit."""
        if "cell_leakage_power" in self.group.attributes:
            return float(self.group.attributes["cell_leakage_power"])
        states = list(self.group.all("leakage_power"))
        general = [s for s in states if "when" not in s.attributes] or states
        return max(float(state.attributes["value"]) for state in general)

    def capacitance(self, pin: str) -> float:
        """Of an input."""
        return float(self.pins[pin].attributes.get("capacitance", 0))

    def function(self, pin: str) -> tuple[Callable[..., int], list[str]]:
        """What an output computes, and of which inputs; of a flip-flop, of its next state."""
        text = self.pins[pin].attributes["function"]
        if self.storage is not None:
            names = [name.strip(' "') for name in self.storage.label.split(",")]
            invert = names.index(text.strip(" ()")) == 1
            text = self.storage.attributes["next_state"]
            text = f"!({text})" if invert else text
        inputs = sorted(set(re.findall(r"[A-Za-z]\w*", text)))
        code = f"lambda {', '.join(inputs)}: {logic(text)}"
        return eval(code), inputs

    def _energy(self, groups: Sequence[Group], load: float, edges: int) -> float:
        """Mean over groups of the mean (``edges`` 1) or sum (2) of rise and fall."""
        found = []
        for group in groups:
            tables = [t for t in group.groups if t.kind in ("rise_power", "fall_power")]
            found.append(edges * mean([at(table, self.slew, load) for table in tables]))
        return mean(found) * self.unit

    def toggle(self, pin: str, load: float) -> float:
        """Internal energy of a toggle of an output."""
        groups = list(self.pins[pin].all("internal_power"))
        if self.storage is not None:
            groups = [g for g in groups if g.attributes.get("related_pin") == self.clock]
        return self._energy(groups, load, 1)

    def delay(self, pin: str, load: float) -> float:
        """From an input (of a flip-flop: its clock) to an output, in the library's unit of time:
        the mean of its arcs, and of rise and fall.
        """
        arcs = [a for a in self.pins[pin].all("timing")
                if a.attributes.get("timing_type", "combinational").strip('"')
                in ("combinational", "rising_edge", "falling_edge")]  # fmt: skip
        tables = [t for a in arcs for t in a.groups if t.kind in ("cell_rise", "cell_fall")]
        return mean([at(table, self.slew, load) for table in tables])

    def data(self, pin: str) -> float:
        """Internal energy of a toggle of a flip-flop's input."""
        return self._energy(list(self.pins[pin].all("internal_power")), 0.0, 1)

    @cached_property
    def clocked(self) -> tuple[float, float]:
        """Internal energy of a clock cycle in which a bit is kept, and in which it changes."""
        kept: list[Group] = []
        changed: list[Group] = []
        groups = [g for g in self.pins[self.clock].all("internal_power") if "when" in g.attributes]
        outputs = {name: self.function(name) for name, pin in self.pins.items() if "function" in
                   pin.attributes}  # fmt: skip
        for group in groups:
            when = group.attributes["when"]
            for before in (0, -1):
                for now in (0, -1):
                    state = dict.fromkeys(self.pins, -1) | {"D": now}
                    state |= {name: f(*(before for _ in ins)) for name, (f, ins) in outputs.items()}
                    if eval(logic(when), {}, state) & 1:
                        (kept if before == now else changed).append(group)
        return self._energy(kept, 0.0, 2), self._energy(changed, 0.0, 2)


class Cells:
    """The cells of Liberty files, read when they are asked for.

    ``slew`` is the typical one, in the library's unit of time, ``wire_load`` the model of wires.
    """

    def __init__(self, files: Sequence[Path], slew: float, wire_load: str | None) -> None:
        self.texts = [re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL) for path in files]
        head = parse(self.texts[0].split("cell (", 1)[0] + "}")
        library = next(head.all("library"))
        self.voltage = float(library.attributes["nom_voltage"])
        scale, unit = library.attributes["capacitive_load_unit"].split(",")
        self.unit = float(scale) * {"pf": 1.0, "ff": 1e-3}[unit.strip().lower()]
        watts = library.attributes["leakage_power_unit"]
        self.leakage_unit = numbers(watts)[0] * {"pW": 1e-9, "nW": 1e-6}[watts.strip('"')[-2:]]
        self.slew = slew
        head_time = library.attributes.get("time_unit", "1ns").strip('"')
        self.nanoseconds = numbers(head_time)[0] * {"ps": 1e-3, "ns": 1.0}[head_time[-2:]]
        self._cells: dict[str, Cell] = {}
        found = re.compile(r'\bcell\s*\(\s*"?([\w$]+)"?\s*\)\s*\{')
        self._places = {
            match[1]: (text, match.start())
            for text in reversed(self.texts)
            for match in found.finditer(text)
        }
        self._wire = _wire_load(self.texts[0], wire_load) if wire_load else _NO_WIRE

    def __getitem__(self, name: str) -> Cell:
        """The cell of a name; ``KeyError`` when there is none."""
        if name not in self._cells:
            text, start = self._places[name]
            self._cells[name] = Cell(_block(text, start), self.slew, self.unit)
        return self._cells[name]

    def areas(self) -> tuple[dict[str, float], frozenset[str]]:
        """Areas of all cells by name, and which of them are flip-flops."""
        found: dict[str, float] = {}
        flops: set[str] = set()
        for text in self.texts:
            for part in re.split(r"^\s*cell\s*\(", text, flags=re.MULTILINE)[1:]:
                name = re.match(r'\s*"?([\w$]+)', part)
                area = re.search(r"\barea\s*:\s*\"?([\d.eE+-]+)", part)
                if name:
                    found[name[1]] = float(area[1]) if area else 0.0
                    if re.search(r"^\s*(ff|latch|ff_bank)\s*\(", part, re.MULTILINE):
                        flops.add(name[1])
        return found, frozenset(flops)

    def wire(self, fanout: int) -> float:
        """Capacitance of a net's wires."""
        capacity, lengths, slope = self._wire
        last = lengths[-1]
        for (n, x), (m, y) in pairwise(lengths):
            if fanout <= m:
                return capacity * (x + (y - x) * (fanout - n) / (m - n))
        return capacity * (last[1] + slope * max(0.0, fanout - last[0]))


def _wire_load(text: str, name: str) -> tuple[float, list[tuple[float, float]], float]:
    """Capacitance per length, lengths by fanout, and what every further pin adds to the length."""
    found = re.search(rf'wire_load\s*\("?{name}"?\)\s*\{{(.*?)\}}', text, re.DOTALL)
    if found is None:
        raise KeyError(name)
    lengths = re.findall(r"fanout_length\s*\(\s*(\d+)\s*,\s*([\d.]+)", found[1])
    figures = dict(re.findall(r"(\w+)\s*:\s*([\d.]+)", found[1]))
    points = [(float(n), float(x)) for n, x in lengths]
    return float(figures["capacitance"]), points, float(figures["slope"])


def _block(text: str, start: int) -> Group:
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return parse(text[start : brace.end()]).groups[0]
    raise ValueError("no end of a group")
