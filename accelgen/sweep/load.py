"""Sweeps from YAML: ``mapping/sweeps/`` and files of the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from accelgen.affine.yaml_text import Node, at_line, parse_yaml, read_text
from accelgen.content import content_path, list_content
from accelgen.errors import InputError
from accelgen.names import shorten, unknown
from accelgen.sweep.axes import Axis, spaced
from accelgen.sweep.check import check_fields
from accelgen.sweep.evaluate import read_pattern
from accelgen.sweep.fields import Value
from accelgen.sweep.metrics import Constraint
from accelgen.sweep.sweep import Sweep

__all__ = ["list_sweeps", "load_sweep", "parse_sweep"]

_FIXED = ("network", "hardware", "minimise", "uneven", "attention")
_KEYS = (
    "name", *_FIXED, "set", "axes", "points", "random", "seed", "objectives", "constraints",
)  # fmt: skip
_FOLDER = "sweeps/"


def list_sweeps() -> tuple[str, ...]:
    """The names of the shipped sweeps, sorted."""
    files = (name for name in list_content("mapping") if name.startswith(_FOLDER))
    return tuple(name.removeprefix(_FOLDER).removesuffix(".yaml") for name in files)


def load_sweep(source: str | Path) -> Sweep:
    """Read a sweep file, or a shipped one by its name, and check what it names.

    Raises :class:`InputError` at ``file:line``.
    """
    path = Path(source)
    if path.suffix not in (".yaml", ".yml") and not path.is_file():
        if str(source) not in list_sweeps():
            raise unknown(str(source), "sweep", list_sweeps())
        path = content_path("mapping", f"{_FOLDER}{source}.yaml")
    name = path.stem.replace("-", "_")
    return parse_sweep(read_text(path), where=str(source), name=name, folder=path.parent)


def parse_sweep(
    text: str, where: str = "sweep", name: str = "sweep", folder: Path | None = None
) -> Sweep:
    """Read a sweep from YAML text; ``name`` is used when the text gives none.

    Every axis is tried: :class:`InputError` when no value of it makes hardware and network, and
    for every pattern of attention that is none, at its line.
    """
    root = parse_yaml(text, where)
    nodes = _entries(root, where)
    for key, node in nodes.items():
        if key not in _KEYS:
            error = unknown(key, "key", _KEYS)
            error.where = f"{where}:{node.line}"
            raise error
    fixed: dict[str, Value] = {
        key: nodes[key].plain() for key in _FIXED if key in nodes and nodes[key].value is not None
    }
    if "set" in nodes:
        fixed |= {field: node.plain() for field, node in _entries(nodes["set"], where).items()}
    if "attention" in nodes:
        with at_line(nodes["attention"], where):
            read_pattern(fixed.get("attention"))
    lines: dict[str, int] = {}
    axes = []
    for fields, node in _mapping(nodes, "axes", where).items():
        with at_line(node, where, f"axes: {fields}"):
            axes.append(_axis(fields, node))
            _check_patterns(axes[-1], node, where)
        lines |= dict.fromkeys(axes[-1].fields, node.line)
    with at_line(root, where):
        sweep = Sweep(
            str(nodes["name"].value) if "name" in nodes else name,
            fixed,
            tuple(axes),
            tuple(_points(nodes, where)),
            _integer(nodes, "random", where),
            _integer(nodes, "seed", where) or 0,
            *_asked(nodes, where),
            folder or Path(),
        )
        check_fields(sweep, lambda field: f"{where}:{lines[field]}" if field in lines else where)
    return sweep


def _axis(names: str, node: Node) -> Axis:
    fields = tuple(name.strip() for name in names.split(","))
    values: list[Value]
    if isinstance(node.value, dict):
        values = spaced({key: entry.plain() for key, entry in node.value.items()})
    elif isinstance(node.value, tuple):
        values = [entry.plain() for entry in node.value]
    else:
        raise InputError("a list or a range expected", hint="write [8, 16, 32]")
    if len(fields) == 1:
        return Axis(fields, tuple((value,) for value in values))
    # A value for each field, or one for all.
    return Axis(
        fields,
        tuple(tuple(v) if isinstance(v, list) else (v,) * len(fields) for v in values),
    )


def _check_patterns(axis: Axis, node: Node, where: str) -> None:
    """A pattern that is misspelt is an error of the file, not a design that cannot be."""
    if "attention" not in axis.fields:
        return
    place = axis.fields.index("attention")
    # A range has no lines of its own.
    lines = node.value if isinstance(node.value, tuple) else (node,) * len(axis)
    seen: set[str] = set()
    for line, values in zip(lines, axis.values, strict=True):
        if str(values[place]) not in seen:
            with at_line(line, where, "axes"):
                read_pattern(values[place])
        seen.add(str(values[place]))


def _points(nodes: Mapping[str, Node], where: str) -> Iterator[dict[str, Value]]:
    if (node := nodes.get("points")) is None or node.value is None:
        return
    if not isinstance(node.value, tuple):
        hint = "write points: [{array.i: 8}, ...]"
        raise InputError("a list expected", where=f"{where}:{node.line}: points", hint=hint)
    for entry in node.value:
        given = _entries(entry, where)
        if "attention" in given:
            with at_line(given["attention"], where, "points"):
                read_pattern(given["attention"].plain())
        yield {field: value.plain() for field, value in given.items()}


def _asked(nodes: Mapping[str, Node], where: str) -> tuple[tuple[str, ...], tuple[Constraint, ...]]:
    """Objectives and constraints."""
    objectives: tuple[str, ...] = ("latency", "energy")
    if (node := nodes.get("objectives")) is not None:
        if not isinstance(node.value, tuple):
            hint = "write objectives: [latency, energy]"
            raise InputError("a list expected", where=f"{where}:{node.line}", hint=hint)
        objectives = tuple(str(entry.value) for entry in node.value)
    constraints = []
    for metric, node in _mapping(nodes, "constraints", where).items():
        with at_line(node, where, "constraints"):
            limits = node.plain()
            limits = limits if isinstance(limits, dict) else {"max": limits}
            for key in limits:
                if key not in ("min", "max"):
                    raise unknown(key, "limit", ("min", "max"))
            numbers = {key: _number(value, metric) for key, value in limits.items()}
            low, high = numbers.get("min", -float("inf")), numbers.get("max", float("inf"))
            constraints.append(Constraint(metric, low, high))
    return objectives, tuple(constraints)


def _number(value: Value, where: str) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{shorten(value)} is no number", where=where, hint="use 0.5") from None


def _integer(nodes: Mapping[str, Node], key: str, where: str) -> int | None:
    if (node := nodes.get(key)) is None or node.value is None:
        return None
    if not isinstance(node.value, int):
        at = f"{where}:{node.line}: {key}"
        raise InputError(f"{shorten(node.plain())} is no integer", where=at, hint=f"{key}: 1000")
    return node.value


def _mapping(nodes: Mapping[str, Node], key: str, where: str) -> dict[str, Node]:
    return _entries(nodes[key], where) if key in nodes and nodes[key].value is not None else {}


def _entries(node: Node, where: str) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise InputError("a mapping expected", where=f"{where}:{node.line}")
    return node.value
