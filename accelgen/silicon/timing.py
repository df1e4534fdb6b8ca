"""Slack and critical path of a mapped design by OpenSTA, in the names of its description."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from accelgen.errors import AccelgenError
from accelgen.silicon.hierarchy import Json, cells_of, modules_of
from accelgen.silicon.libraries import CellLibrary
from accelgen.silicon.mapping import clock_script
from accelgen.silicon.tools import run_sta

__all__ = ["Timing", "between", "time_netlist"]

_PIN = re.compile(r"^.*?(-?[\d.]+)\s+[\^v]\s+(\S+)\s+\((\S+)\)\s*$", re.MULTILINE)
_SLACK = re.compile(r"(-?[\d.]+)\s+slack \((?:MET|VIOLATED)\)")
_LEVELS = {"$mul": 6, "$add": 3, "$sub": 3, "$lt": 3, "$le": 3, "$gt": 3, "$ge": 3, "$alu": 3}
"""Levels of logic in a cell, roughly, of which others have one: to tell the longest way."""
_CHOICE = re.compile(r"(?<=\.)dataflow_(?!chosen)\w+$")
_REGISTER = re.compile(r"(.*)_reg(?:_\d+)?")


@dataclass(frozen=True)
class Timing:
    """Of the longest path at ``period`` ns: slack, the least period that would do, and its way.

    ``path``: what it passes, in the description's units (``array.pe_0_3.product``); ``gates`` is
    their number.
    """

    period: float
    slack: float
    arrival: float
    path: tuple[str, ...]
    gates: int
    to_memory: bool

    @property
    def least_period(self) -> float:
        """The shortest period with which this mapping works, ns."""
        return self.period - self.slack

    @property
    def megahertz(self) -> float:
        """The frequency of :attr:`least_period`."""
        return 1000.0 / self.least_period

    def to_json(self) -> dict[str, object]:
        """All figures."""
        return {
            "period_ns": self.period,
            "slack_ns": round(self.slack, 6),
            "met": self.slack >= 0,
            "least_period_ns": round(self.least_period, 6),
            "frequency_mhz": round(self.megahertz, 3),
            "critical_path": list(self.path),
            "critical_path_gates": self.gates,
        }


def time_netlist(
    library: CellLibrary,
    liberty: Sequence[str],
    folder: Path,
    top: str,
    clock: str,
    period: float,
    source: Json,
    where: str,
) -> Timing:
    """Time ``folder/mapped.v``; ``source`` is the elaborated design, for the names of values.

    Ports come from and go to registers at the boundary without a delay of their own.  Raises
    :class:`MissingToolError` without OpenSTA, :class:`AccelgenError` when no path is found.
    """
    ports = modules_of(source)[top]["ports"]
    assert isinstance(ports, dict)
    inputs = [name for name, p in ports.items() if p["direction"] == "input" and name != clock]
    script = [
        *clock_script(library, liberty, "mapped.v", top, period, clock),
        f"set inputs [concat {' '.join(f'[get_ports {{{one}}}]' for one in inputs)}]",
        f"set_input_delay 0 -clock {clock} $inputs",
        f"set_output_delay 0 -clock {clock} [all_outputs]",
        f"set_driving_cell -lib_cell {library.driver} $inputs",
        f"set_load {library.load_ff / 1000} [all_outputs]",
        "report_checks -digits 6 -no_line_splits",
    ]
    report = run_sta(script, folder, where)
    slack = _SLACK.search(report)
    if slack is None:
        raise AccelgenError("OpenSTA found no path between registers", where=where)
    pins = [(float(at), name, cell) for at, name, cell in _PIN.findall(report)]
    clocks = [k for k, (at, _, _) in enumerate(pins) if at == 0.0]
    data = pins[(clocks[0] if clocks else -1) :]
    data = [pin for pin in data if not pin[1].endswith(f"/{clock}")]
    arrival = re.search(r"([\d.]+)\s+data arrival time", report)
    return Timing(
        period=period,
        slack=float(slack[1]),
        arrival=float(arrival[1]) if arrival else 0.0,
        path=_named(report, source, top),
        gates=len({name.rpartition("/")[0] for _, name, _ in data}),
        to_memory="_macro" in report,
    )


def _named(report: str, source: Json, top: str) -> tuple[str, ...]:
    """The registers, ports and values of the path, a unit before each."""
    ends = {
        key: found[1].split(" (")[0].strip()
        for key in ("Startpoint", "Endpoint")
        if (found := re.search(rf"^{key}: (.+)$", report, re.MULTILINE))
    }
    visited: list[str] = []
    for _, name, _ in _PIN.findall(report):
        unit = name.replace("\\", "").rpartition("/")[0].rpartition("/")[0]
        if not visited or visited[-1] != unit:
            visited.append(unit)
    start, end = ends.get("Startpoint", ""), ends.get("Endpoint", "")
    modules = modules_of(source)
    path = [_point(start)]
    for unit in dict.fromkeys(visited):
        module = _module(modules, top, unit)
        if module is None:
            continue
        first = _signal(start) if _unit(start) == unit else None
        last = _signal(end) if _unit(end) == unit else None
        path += [
            f"{unit.replace('/', '.')}.{value}" if unit else value
            for value in between(modules[module], first, last)
        ]
    path.append(_point(end))
    # What a unit is told of the dataflow goes by the names of all that it chooses there.
    return tuple(dict.fromkeys(_CHOICE.sub("dataflow", step) for step in path))


def _unit(pin: str) -> str:
    return pin.replace("\\", "").rpartition("/")[0]


def _signal(instance: str) -> str:
    """The value that a register holds: ``sum`` of ``array/pe_0_1/sum[3]_reg``."""
    name = instance.replace("\\", "").rpartition("/")[2]
    match = _REGISTER.fullmatch(name)
    return re.sub(r"\[\d+\]$", "", match[1] if match else name)


def _point(instance: str) -> str:
    """A register or port; of values that the description does not name the unit alone."""
    name = re.sub(r"genblk\d+\.", "", instance.replace("\\", ""))
    match = _REGISTER.fullmatch(name)
    shown = (match[1] if match else name).replace("/", ".")
    return re.sub(r"\.?\b_\d+_(\[\d+\])?$", "", shown) or shown


def _module(modules: Mapping[str, Json], top: str, unit: str) -> str | None:
    """The module of an instance, as far as it is one of the design's own."""
    name = top
    for part in filter(None, unit.split("/")):
        item = cells_of(modules[name]).get(part)
        if item is None or item["type"] not in modules:
            return None
        name = str(item["type"])
    return name


def between(module: Json, first: str | None, last: str | None) -> list[str]:
    """Named values on the longest way through the logic from ``first`` (an input, if ``None``) to
    the register ``last`` (an output, if ``None``), without the two.
    """
    names = module["netnames"]
    ports = module["ports"]
    assert isinstance(names, dict)
    assert isinstance(ports, dict)
    shown: dict[int, str] = {}
    for name, net in names.items():
        # Of functions that a Verilog writer makes, Yosys names inputs by file and line.
        if not re.search(r"^_\d+_$|^\$|\$func\$", name):
            for bit in net["bits"]:
                if isinstance(bit, int) and (bit not in shown or len(name) < len(shown[bit])):
                    shown[bit] = name
    drives, goal, starts = _logic(module, shown, last)
    if first is not None:
        starts = {bit for bit in starts if shown.get(bit) == first}
    if last is None:
        goal = {bit for p in ports.values() if p["direction"] == "output" for bit in p["bits"]}
    outputs = goal

    @cache
    def longest(bit: int) -> tuple[int, tuple[str, ...]] | None:
        """Levels and names from a bit to the end; ``None`` when it does not get there."""
        ends = (0, ()) if bit in outputs else None
        ways = [
            (way[0] + steps, way[1])
            for after, steps in drives.get(bit, ())
            if (way := longest(after)) is not None
        ]
        found = max(ways, key=lambda way: (way[0], len(way[1])), default=ends)
        if found is None:
            return None
        name = shown.get(bit)
        return found if name is None or name in found[1] else (found[0], (name, *found[1]))

    ways = [way for bit in starts if (way := longest(bit)) is not None]
    best = max(ways, key=lambda way: (way[0], len(way[1])), default=(0, ()))
    return [name for name in best[1] if name not in (first, last)]


def _logic(
    module: Json, shown: Mapping[int, str], last: str | None
) -> tuple[dict[int, list[tuple[int, int]]], set[int], set[int]]:
    """Which bits every bit drives through a cell of how many levels, what the register ``last``
    takes, and what registers and inputs give.
    """
    ports = module["ports"]
    assert isinstance(ports, dict)
    drives: dict[int, list[tuple[int, int]]] = {}
    goal: set[int] = set()
    starts = {b for p in ports.values() if p["direction"] == "input" for b in p["bits"]}
    for item in cells_of(module).values():
        kind, ends = str(item["type"]), item["connections"]
        assert isinstance(ends, dict)
        if re.match(r"\$(a?s?dffe?|sdffc?e|aldffe?|dffsre?|mem)", kind):
            held = [b for pin in ("Q", "RD_DATA") for b in ends.get(pin, ()) if isinstance(b, int)]
            starts.update(held)
            if last is not None and any(shown.get(bit) == last for bit in held):
                goal.update(b for pin, bits in ends.items() if pin not in ("Q", "CLK")
                            for b in bits if isinstance(b, int))  # fmt: skip
            continue
        if not kind.startswith("$"):
            continue
        inputs = [b for pin in ends if pin != "Y" for b in ends[pin] if isinstance(b, int)]
        outputs = [b for b in ends.get("Y", ()) if isinstance(b, int)]
        # A bit each way is enough: the values are what is named, not their bits.
        for bit in dict.fromkeys(inputs):
            drives.setdefault(bit, []).extend((out, _LEVELS.get(kind, 1)) for out in outputs)
    return drives, goal, {bit for bit in starts if isinstance(bit, int)}
