"""Delay and area of primitives in a cell library, interpolated from measured tables.

The tables are in ``mapping/technology/<name>.yaml``; ``benchmarks/measure_technology.py``
measures them and each file says how.  Delays are in nanoseconds, areas in square micrometres.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from pathlib import PurePosixPath
from typing import Protocol

import yaml

from accelgen.content import content_path, list_content
from accelgen.errors import InputError
from accelgen.names import unknown

__all__ = [
    "DEFAULT_TECHNOLOGY",
    "FitTable",
    "GridTable",
    "Table",
    "Technology",
    "list_technologies",
    "load_technology",
    "parse_technology",
]

DEFAULT_TECHNOLOGY = "sg13g2"
"""Where registers are placed for when nothing is said."""

_SCHEMA = 1
_MAX_BYTES = 1 << 20
_KEYS = {
    "schema", "name", "source", "derate", "default_period", "clock_to_q", "setup",
    "memory_setup", "register_area", "primitives",
}  # fmt: skip


class Table(Protocol):
    """Delay and area of one kind of primitive over its widths; neither ever decreases."""

    @property
    def kind(self) -> str:
        """Name of the primitive."""

    @property
    def axes(self) -> tuple[str, ...]:
        """What each width means."""

    def delay(self, *widths: int) -> float:
        """Delay in ns."""

    def area(self, *widths: int) -> float:
        """Area in um2."""


@dataclass(frozen=True)
class GridTable:
    """Measured points on a full grid of widths.

    Synthesis is not monotone in the widths, a primitive is: each value is raised to the
    largest one among the points that are nowhere wider.  Between points delay is linear in
    the log2 of each width and area is a power of it.  Beyond the last point of an axis the
    steepest growth per octave over the last two intervals continues; below the first point
    its value holds.
    """

    kind: str
    axes: tuple[str, ...]
    ticks: tuple[tuple[int, ...], ...]
    """Widths measured, ascending, of each axis."""
    delays: tuple[float, ...]
    """ns, one per point, the last axis fastest."""
    log_areas: tuple[float, ...]
    """log2 of um2, likewise."""

    @classmethod
    def from_points(
        cls, kind: str, axes: tuple[str, ...], points: Mapping[tuple[int, ...], tuple[float, float]]
    ) -> GridTable:
        """The table of ``points``: widths to delay and area; the keys must be a full grid."""
        ticks = tuple(tuple(sorted({at[k] for at in points})) for k in range(len(axes)))
        grid = list(product(*ticks))

        def envelope(value: Callable[[tuple[int, ...]], float]) -> tuple[float, ...]:
            highest: dict[tuple[int, ...], float] = {}
            for at in grid:
                below = [
                    highest[(*at[:k], ticks[k][ticks[k].index(at[k]) - 1], *at[k + 1 :])]
                    for k in range(len(at))
                    if at[k] != ticks[k][0]
                ]
                highest[at] = max([value(at), *below])
            return tuple(highest[at] for at in grid)

        return cls(
            kind=kind,
            axes=axes,
            ticks=ticks,
            delays=envelope(lambda at: points[at][0]),
            log_areas=envelope(lambda at: math.log2(points[at][1])),
        )

    def delay(self, *widths: int) -> float:
        """Delay in ns."""
        return self._interpolate(self.delays, widths)

    def area(self, *widths: int) -> float:
        """Area in um2."""
        return float(2.0 ** self._interpolate(self.log_areas, widths))

    def _interpolate(self, values: tuple[float, ...], widths: tuple[int, ...]) -> float:
        lines = [_locate(ticks, width) for ticks, width in zip(self.ticks, widths, strict=True)]
        inside = 0.0
        for corner in product((0, 1), repeat=len(lines)):
            weight = math.prod(
                f if high else 1 - f for high, (_, f, _) in zip(corner, lines, strict=True)
            )
            if weight > 0:
                at = [low + high for high, (low, _, _) in zip(corner, lines, strict=True)]
                inside += weight * values[self._flat(at)]
        octaves = (over for _, _, over in lines)
        return inside + sum(
            over * self._growth(values, axis) for axis, over in enumerate(octaves) if over > 0
        )

    def _growth(self, values: tuple[float, ...], axis: int) -> float:
        """Steepest growth per octave over the last two intervals of ``axis``."""
        ticks = self.ticks[axis]
        last, before = len(ticks) - 1, max(0, len(ticks) - 3)
        octaves = math.log2(ticks[last] / ticks[before]) if last else 1.0
        others = [range(len(t)) if k != axis else (0,) for k, t in enumerate(self.ticks)]
        steepest = max(
            values[self._flat([*at[:axis], last, *at[axis + 1 :]])]
            - values[self._flat([*at[:axis], before, *at[axis + 1 :]])]
            for at in product(*others)
        )
        return steepest / octaves

    def _flat(self, at: list[int]) -> int:
        index = 0
        for ticks, position in zip(self.ticks, at, strict=True):
            index = index * len(ticks) + position
        return index


@dataclass(frozen=True)
class FitTable:
    """Delay and area of a memory as a sum of non-negative terms, fitted to macros."""

    kind: str
    axes: tuple[str, ...]
    delay_terms: tuple[tuple[str, float], ...]
    area_terms: tuple[tuple[str, float], ...]

    def delay(self, *widths: int) -> float:
        """Delay in ns of ``depth`` words of ``width`` bits."""
        return _evaluate(self.delay_terms, *widths)

    def area(self, *widths: int) -> float:
        """Area in um2 of ``depth`` words of ``width`` bits."""
        return _evaluate(self.area_terms, *widths)


_TERMS: dict[str, Callable[[int, int], float]] = {
    "constant": lambda depth, width: 1.0,
    "depth": lambda depth, width: float(depth),
    "log2_depth": lambda depth, width: math.log2(depth),
    "width": lambda depth, width: float(width),
    "bits": lambda depth, width: float(depth * width),
}
_FIT_AXES = ("depth", "width")


@dataclass(frozen=True)
class Technology:
    """A cell library as the netlist passes see it.

    A path from a register through primitives to a register fits the period P when
    ``clock_to_q + sum(delay) + setup <= P``.  Where it starts in a memory,
    ``delay("memory", depth, width)`` replaces ``clock_to_q``; where it ends in one,
    ``memory_setup`` replaces ``setup``.
    """

    name: str
    source: str
    """How and on what the numbers were measured."""
    clock_to_q: float
    """Clock edge to register output, ns."""
    setup: float
    """Register input to clock edge, ns."""
    memory_setup: float
    """Any input of a memory to clock edge, ns."""
    default_period: float
    """Target clock period when the user names none, ns."""
    register_area: float
    """Area of one bit of register, um2."""
    tables: tuple[Table, ...]
    derate: float = 1.0
    """Multiplies every delay of a table: the margin for wires that the measurement lacks."""
    _known: dict[tuple[str, tuple[int, ...]], float] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """Delays that have been asked for: the nodes of an array ask for few, again and again."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The primitives that have a delay, sorted."""
        return tuple(sorted([*(table.kind for table in self.tables), "register"]))

    def delay(self, kind: str, *widths: int) -> float:
        """Delay in ns of the primitive ``kind`` of the given widths, ``derate`` included.

        ``add w``, ``and w``, ``compare w``, ``compare_constant w``, ``equal_constant w``,
        ``mul w_a w_b`` (signed, in either order), ``mux w [n]`` (n to 1, n = 2 when left out):
        input to output.  ``memory depth w``, ``regfile depth w``, ``register w``: clock to
        data.  Never decreases as a width grows; widths above the tables are extrapolated.

        Raises InputError for an unknown kind, a wrong number of widths, or a width below 1.
        """
        known = self._known.get((kind, widths))
        if known is not None:
            return known
        if kind == "register":
            _check_widths(kind, ("width",), widths)
            return self.clock_to_q
        table, at = self._find(kind, widths)
        found = table.delay(*at) * self.derate
        self._known[kind, widths] = found
        return found

    def area(self, kind: str, *widths: int) -> float:
        """Area in um2 of the primitive ``kind``, arguments as for :meth:`delay`."""
        if kind == "register":
            _check_widths(kind, ("width",), widths)
            return self.register_area * widths[0]
        table, at = self._find(kind, widths)
        return table.area(*at)

    def _find(self, kind: str, widths: tuple[int, ...]) -> tuple[Table, tuple[int, ...]]:
        table = next((table for table in self.tables if table.kind == kind), None)
        if table is None:
            raise unknown(kind, f"primitive of technology {self.name}", self.kinds)
        if kind == "mux" and len(widths) == 1:
            widths = (*widths, 2)
        _check_widths(kind, table.axes, widths)
        return table, widths


def list_technologies() -> tuple[str, ...]:
    """The names of the shipped technologies, sorted."""
    files = [PurePosixPath(file) for file in list_content("mapping")]
    return tuple(file.stem for file in files if file.parent.name == "technology")


@cache
def load_technology(name: str = DEFAULT_TECHNOLOGY) -> Technology:
    """The shipped technology ``name``.

    Raises InputError with the nearest shipped name when there is none, or when its file is
    not a technology description.  The file is read once in a process.
    """
    known = list_technologies()
    if name not in known:
        raise unknown(name, "technology", known)
    path = content_path("mapping", f"technology/{name}.yaml")
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"the file is larger than {_MAX_BYTES} bytes", where=path.name)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"not readable as YAML: {error}", where=path.name) from None
    return parse_technology(data, where=path.name)


def parse_technology(data: object, *, where: str = "technology") -> Technology:
    """The technology that ``data``, a parsed YAML document, describes; else InputError."""
    if not isinstance(data, dict):
        raise InputError("expected a mapping of fields", where=where)
    for key in sorted(_KEYS - {"derate"} - data.keys()):
        raise InputError(f"the field {key} is missing", where=where, hint=f"add {key}:")
    for key in data:
        if key not in _KEYS:
            raise unknown(str(key), f"field of {where}", sorted(_KEYS))
    if data["schema"] != _SCHEMA:
        raise InputError(f"schema {data['schema']!r} is not {_SCHEMA}", where=where)
    primitives = data["primitives"]
    if not isinstance(primitives, dict):
        raise InputError("expected a mapping of primitives", where=f"{where}: primitives")
    measured = {
        str(kind): _parse_table(str(kind), value, where=f"{where}: {kind}")
        for kind, value in primitives.items()
        if not (isinstance(value, dict) and "same_as" in value)
    }
    tables = dict(measured)
    for kind in primitives.keys() - measured.keys():
        other = str(primitives[kind]["same_as"])
        if other not in measured:
            raise unknown(other, f"primitive of {where}", sorted(measured))
        tables[str(kind)] = replace(measured[other], kind=str(kind))

    def value(key: str) -> float:
        return _positive(data[key], where=f"{where}: {key}")

    return Technology(
        name=str(data["name"]),
        source=str(data["source"]).strip(),
        clock_to_q=value("clock_to_q"),
        setup=value("setup"),
        memory_setup=value("memory_setup"),
        default_period=value("default_period"),
        register_area=value("register_area"),
        tables=tuple(tables[kind] for kind in sorted(tables)),
        derate=value("derate") if "derate" in data else 1.0,
    )


def _check_widths(kind: str, axes: tuple[str, ...], widths: tuple[int, ...]) -> None:
    if len(widths) != len(axes):
        raise InputError(f"{kind} takes {len(axes)} widths ({', '.join(axes)}), not {len(widths)}")
    for width in widths:
        if width < 1:
            raise InputError(f"a width of {width} is below 1", where=kind)


def _locate(ticks: tuple[int, ...], width: int) -> tuple[int, float, float]:
    """Interval below ``width``, the fraction of it in log2, and the octaves above the last tick."""
    if width >= ticks[-1]:
        return len(ticks) - 1, 0.0, math.log2(width / ticks[-1])
    low = bisect_right(ticks, width) - 1
    if low < 0:
        return 0, 0.0, 0.0
    return low, math.log2(width / ticks[low]) / math.log2(ticks[low + 1] / ticks[low]), 0.0


def _evaluate(terms: tuple[tuple[str, float], ...], depth: int, width: int) -> float:
    return sum(factor * _TERMS[term](depth, width) for term, factor in terms)


def _parse_table(kind: str, data: object, *, where: str) -> GridTable | FitTable:
    if not isinstance(data, dict):
        raise InputError("expected axes and rows", where=where)
    if "fit" in data:
        fit = data["fit"]
        if not isinstance(fit, dict) or fit.keys() != {"delay", "area"}:
            raise InputError("a fit needs delay and area", where=where)
        return FitTable(
            kind=kind,
            axes=_FIT_AXES,
            delay_terms=_parse_terms(fit["delay"], where=f"{where}: delay"),
            area_terms=_parse_terms(fit["area"], where=f"{where}: area"),
        )
    axes, rows = data.get("axes"), data.get("rows")
    if not isinstance(axes, list) or not 1 <= len(axes) <= 2:
        raise InputError("axes must list one or two names", where=where)
    if not isinstance(rows, list) or not rows:
        raise InputError("rows must list the measured points", where=where)
    points: dict[tuple[int, ...], tuple[float, float]] = {}
    for number, row in enumerate(rows, 1):
        place = f"{where}: row {number}"
        if not isinstance(row, list) or len(row) != len(axes) + 2:
            raise InputError(f"expected {len(axes)} widths, delay, area", where=place)
        *widths, delay, area = row
        if not all(type(width) is int and width >= 1 for width in widths):
            raise InputError("widths must be integers from 1 up", where=place)
        value = (_positive(delay, where=place), _positive(area, where=place))
        points[tuple(widths)] = value
        if data.get("symmetric") is True:
            points[tuple(reversed(widths))] = value
    sides = [len({at[k] for at in points}) for k in range(len(axes))]
    if math.prod(sides) != len(points):
        raise InputError("the rows do not form a full grid of widths", where=where)
    return GridTable.from_points(kind, tuple(str(axis) for axis in axes), points)


def _parse_terms(data: object, *, where: str) -> tuple[tuple[str, float], ...]:
    if not isinstance(data, dict):
        raise InputError("expected terms and their factors", where=where)
    for term in data:
        if term not in _TERMS:
            raise unknown(str(term), f"term of {where}", sorted(_TERMS))
    terms = tuple(
        (str(term), _number(factor, where=f"{where}: {term}")) for term, factor in data.items()
    )
    if any(factor < 0 for _, factor in terms) or dict(terms).get("constant", 0.0) == 0:
        raise InputError("factors must be >= 0 and the constant > 0", where=where)
    return terms


def _positive(value: object, *, where: str) -> float:
    number = _number(value, where=where)
    if number <= 0:
        raise InputError(f"{number} is not positive", where=where)
    return number


def _number(value: object, *, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{value!r} is not a finite number", where=where)
    return float(value)
