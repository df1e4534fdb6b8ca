"""A description: a workload and its dataflow under one name, as Python value and as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from accelgen.affine.dataflow import Dataflow, TimeLoop
from accelgen.affine.lowering import lower
from accelgen.affine.spacetime import SpaceTime
from accelgen.affine.workload import Workload
from accelgen.affine.yaml_text import Node, Plain, parse_yaml, read_text
from accelgen.content import content_path
from accelgen.errors import InputError
from accelgen.names import FrozenMap, check_name, shorten, unknown, within

__all__ = ["Description", "load_description", "parse_description"]

_REQUIRED = ("expression", "bounds", "space", "time")
_KEYS = ("name", *_REQUIRED[:2], "types", *_REQUIRED[2:], "map", "skew", "chain")


@dataclass(frozen=True)
class Description:
    """A named workload with its dataflow; ``comment`` says where the idea comes from.

    ``str(d)`` is YAML, and ``parse_description(str(d)) == d``.  ``places`` says where in a file
    each key was written (``map`` at ``gemm.yaml:7``), for errors found later; descriptions are
    equal wherever they come from.
    """

    name: str
    workload: Workload
    dataflow: Dataflow
    comment: str = ""
    places: Mapping[str, str] = field(
        default_factory=lambda: FrozenMap[str, str](), compare=False, repr=False
    )

    def __post_init__(self) -> None:
        with within("name"):
            check_name(self.name, "kernel")
        lines = [line.rstrip() for line in self.comment.splitlines()]
        if yaml.reader.Reader.NON_PRINTABLE.search(self.comment):
            raise InputError("control characters", where="comment", hint="remove them")
        object.__setattr__(self, "comment", "\n".join(lines).strip("\n"))
        self.dataflow.check_names(self.workload.loops, self.workload.tensors)

    def lower(self) -> SpaceTime:
        """The integer form, checked to be legal; :class:`InputError` when it is not."""
        try:
            return lower(self.workload, self.dataflow, self.name)
        except InputError as error:
            key = (error.where or "").removeprefix(f"{self.name}: ")
            if (place := self.places.get(key.split(":")[0])) is not None:
                error.where = f"{place}: {key}"
            raise

    def with_overrides(
        self,
        *,
        bounds: Mapping[str, int] | None = None,
        space: Mapping[str, int] | None = None,
        types: Mapping[str, str] | None = None,
        time: Mapping[str, int] | None = None,
        skew: Mapping[str, int] | str | None = None,
        chain: Mapping[str, str | None] | None = None,
    ) -> Description:
        """The description with some values replaced, the others kept.

        ``bounds``, ``space`` and ``time`` give extents of loops and axes it already has,
        ``types`` element types, ``skew`` cycles per axis, or ``"broadcast"`` or ``"systolic"``,
        ``chain`` the axis of a tensor's shift chain, or ``None`` for memory ports instead.
        Raises :class:`InputError`, with the nearest known name, for an unknown one.
        """
        old, flow = self.workload, self.dataflow
        with within("bounds"):
            new_bounds = _merged(old.bounds, bounds, "loop", old.loops)
        with within("types"):
            new_types = _merged(old.types, types, "tensor", old.tensors)
        new_work = Workload(old.expression, new_bounds, new_types)
        with within("space"):
            new_space = _merged(flow.space, space, "axis", flow.axes)
        with within("time"):
            extents = _merged(flow.given_extents, time, "time loop", flow.time_loops)
        new_skew: Mapping[str, int] | str = flow.skew
        if skew is not None:
            assert isinstance(flow.skew, Mapping)
            with within("skew"):
                new_skew = (
                    skew if isinstance(skew, str) else _merged(flow.skew, skew, "axis", flow.axes)
                )
        with within("chain"):
            new_chain = _merged(flow.chain, chain, "tensor", new_work.tensors)
        new_time: list[TimeLoop] = [
            (loop, extents[loop]) if loop in extents else loop for loop in flow.time_loops
        ]
        return replace(
            self,
            workload=new_work,
            dataflow=replace(flow, space=new_space, time=new_time, skew=new_skew, chain=new_chain),
        )

    def __str__(self) -> str:
        """The description as YAML."""
        work, flow = self.workload, self.dataflow
        lines = [f"# {line}".rstrip() for line in self.comment.splitlines()]
        lines += [f"name: {self.name}", f"expression: {work.expression}"]
        lines.append(f"bounds: {_flow_map(work.bounds)}")
        if work.types:
            lines.append(f"types: {_flow_map(work.types)}")
        lines.append(f"space: {_flow_map(flow.space)}")
        loops = [
            f"{loop}: {flow.given_extents[loop]}" if loop in flow.given_extents else loop
            for loop in flow.time_loops
        ]
        lines.append(f"time: [{', '.join(loops)}]")
        if flow.map:
            lines.append(f"map: {_flow_map(flow.map)}")
        skewed = {axis: c for axis, c in zip(flow.axes, flow.skews, strict=True) if c}
        if skewed:
            lines.append(f"skew: {_flow_map(skewed)}")
        if flow.chain:
            lines.append(f"chain: {_flow_map(flow.chain)}")
        return "\n".join(lines) + "\n"


def load_description(source: str | Path) -> Description:
    """Read a description file, or a shipped one by its name (``gemm_os_systolic``).

    Raises :class:`InputError` at ``file:line`` when it cannot be read.
    """
    path = Path(source)
    is_name = path.suffix not in (".yaml", ".yml") and len(path.parts) == 1
    if is_name and not path.is_file():
        path = content_path("dataflows", str(source))
    if not path.exists():
        raise InputError("there is no such file", where=str(path))
    name = path.stem.replace("-", "_")
    return parse_description(read_text(path), where=str(source), name=name)


def parse_description(text: str, where: str = "description", name: str = "kernel") -> Description:
    """Read a description from YAML text; ``name`` is used when the text gives none.

    Raises :class:`InputError` whose location is ``where:line``.
    """
    root = parse_yaml(text, where)
    if not isinstance(root.value, dict):
        raise InputError("a mapping expected", where=f"{where}:{root.line}", hint=_usage())
    nodes = root.value
    if "dataflows" in nodes:
        # The other kind of file that a person writes: accelgen.processor.suite.
        listed = nodes["dataflows"].plain()
        names = ", ".join(map(shorten, listed[:24])) if isinstance(listed, list) else ""
        raise InputError(
            "lists the dataflows of one design, a single description is expected",
            where=f"{where}:{nodes['dataflows'].line}",
            hint=f"name one of {names or 'these'}; or write the design with accelgen generate and "
            "this file alone",
        )
    for key, node in nodes.items():
        if key not in _KEYS:
            error = unknown(key, "key", _KEYS)
            error.where = f"{where}:{node.line}"
            raise error
    for key in _REQUIRED:
        if key not in nodes:
            raise InputError(f"the key {key!r} is missing", where=where, hint=_usage())
    # An empty value is the same as no value, so that a key can be commented down to nothing.
    values = {key: node.plain() for key, node in nodes.items() if node.value is not None}
    try:
        return Description(
            _text(values.get("name", name)),
            Workload(
                _text(values.get("expression", "")),
                _map(values, "bounds"),
                _map(values, "types"),
            ),
            Dataflow(
                _map(values, "space"),
                _time(values.get("time", [])),
                _map(values, "map"),
                skew if isinstance(skew := values.get("skew"), str) else _map(values, "skew"),
                _map(values, "chain"),
            ),
            _comment(text),
            FrozenMap({key: f"{where}:{node.line}" for key, node in nodes.items()}),
        )
    except InputError as error:
        error.where = _located(error.where, nodes, where)
        raise


def _usage() -> str:
    return f"give {', '.join(_REQUIRED)}"


def _located(field: str | None, nodes: dict[str, Node], where: str) -> str:
    """``where:line: field`` for an error in ``field`` (``bounds: m``)."""
    if field is None:
        return where
    node = nodes.get(field.split(":")[0])
    return f"{where}:{node.line}: {field}" if node is not None else f"{where}: {field}"


def _text(value: Plain) -> str:
    """Text as written; the constructors check what it says."""
    return value if isinstance(value, str) else str(value)


def _map(values: Mapping[str, Plain], key: str) -> dict[str, Any]:
    value = values.get(key, {})
    if not isinstance(value, dict):
        raise InputError("a mapping expected", where=key, hint=f"write {key}: {{name: value}}")
    return value


def _time(value: Plain) -> list[TimeLoop]:
    if not isinstance(value, list):
        raise InputError("a list expected", where="time", hint="write time: [m1, n1, k]")
    loops: list[Any] = value
    return loops


def _comment(text: str) -> str:
    """The comment lines a text starts with, without their marks."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[1:].removeprefix(" "))
    return "\n".join(lines)


def _merged(
    old: Mapping[str, Any], new: Mapping[str, Any] | None, kind: str, known: tuple[str, ...]
) -> dict[str, Any]:
    for name in new or {}:
        if name not in known:
            raise unknown(str(name), kind, known)
    return {**old, **(new or {})}


def _flow_map(values: Mapping[str, object]) -> str:
    entries = (f"{key}: {'none' if value is None else value}" for key, value in values.items())
    return f"{{{', '.join(entries)}}}"
