"""Files that list the dataflows of one design, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from accelgen.affine import Description, load_description
from accelgen.affine.yaml_text import flag, parse_yaml, read_text
from accelgen.errors import InputError
from accelgen.names import FrozenMap, check_name, unknown, within
from accelgen.processor.output_stage import CODE_BITS

__all__ = ["Suite", "is_suite", "load_suite", "with_common"]

_KEYS = ("name", "dataflows", "space", "bounds", "types", "words", "accumulate_in",
         "output_stage", "code_bits")  # fmt: skip


@dataclass(frozen=True)
class Suite:
    """The dataflows of one design, the words per memory of tensors that are given some, whether it
    has a stream of what is accumulated, and of how many bits the codes of its output stage are, if
    it has one.
    """

    name: str
    descriptions: tuple[Description, ...]
    words: Mapping[str, int] = field(default_factory=lambda: FrozenMap[str, int]())
    accumulate_in: bool = False
    output_stage: int | None = None


def is_suite(source: str) -> bool:
    """Whether a file lists dataflows and is none itself."""
    path = Path(source)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return False
    value = parse_yaml(read_text(path), source).value
    return isinstance(value, dict) and "dataflows" in value


def load_suite(source: str) -> Suite:
    """Read a file with the keys ``name``, ``dataflows`` (names or files, relative to this one),
    and, for all of them that know the name, ``space``, ``bounds`` and ``types``; ``words`` per
    tensor of the design; ``accumulate_in``; ``output_stage``, and with it ``code_bits``.

    Raises :class:`InputError` when it cannot be read.
    """
    path = Path(source)
    root = parse_yaml(read_text(path), source)
    assert isinstance(root.value, dict)
    for key, node in root.value.items():
        if key not in _KEYS:
            error = unknown(key, "key", _KEYS)
            error.where = f"{source}:{node.line}"
            raise error
    values = {key: node.plain() for key, node in root.value.items()}
    with within(source):
        listed = values["dataflows"]
        if not isinstance(listed, list) or not listed:
            raise InputError("a list expected", where="dataflows", hint="dataflows: [a, b.yaml]")
        found = []
        for entry in listed:
            beside = path.parent / str(entry)
            found.append(load_description(beside if beside.is_file() else str(entry)))
        common = with_common(
            found,
            space=_numbers(values.get("space"), "space"),
            bounds=_numbers(values.get("bounds"), "bounds"),
            types=_texts(values.get("types"), "types"),
        )
        name = check_name(values.get("name", path.stem.replace("-", "_")), "design")
        words = _numbers(values.get("words"), "words") or {}
        accumulate_in = flag(values.get("accumulate_in"), "accumulate_in")
        staged = flag(values.get("output_stage"), "output_stage")
        if "code_bits" in values and not staged:
            raise InputError(
                "is of an output stage", where="code_bits", hint="add output_stage: true"
            )
        bits = values.get("code_bits", CODE_BITS[0])
        if type(bits) is not int:
            raise InputError("an integer expected", where="code_bits", hint="8 or 16")
        return Suite(name, common, FrozenMap(words), accumulate_in, bits if staged else None)


def with_common(
    descriptions: Sequence[Description],
    *,
    space: Mapping[str, int] | None = None,
    bounds: Mapping[str, int] | None = None,
    types: Mapping[str, str] | None = None,
) -> tuple[Description, ...]:
    """Each description with those values whose names it has.

    Raises :class:`InputError` for a name that none of them has.
    """
    known = {
        "axis": {axis for d in descriptions for axis in d.dataflow.space},
        "loop": {loop for d in descriptions for loop in d.workload.loops},
        "tensor": {tensor for d in descriptions for tensor in d.workload.tensors},
    }
    for kind, given in (("axis", space), ("loop", bounds), ("tensor", types)):
        for name in given or {}:
            if name not in known[kind]:
                raise unknown(name, kind, sorted(known[kind]))
    return tuple(
        d.with_overrides(
            space={k: v for k, v in (space or {}).items() if k in d.dataflow.space},
            bounds={k: v for k, v in (bounds or {}).items() if k in d.workload.loops},
            types={k: v for k, v in (types or {}).items() if k in d.workload.tensors},
        )
        for d in descriptions
    )


def _numbers(value: object, key: str) -> dict[str, int] | None:
    if value is None:
        return None
    # ``true`` is an integer to Python.
    if not isinstance(value, dict) or not all(type(n) is int for n in value.values()):
        raise InputError("a mapping to integers expected", where=key)
    return value


def _texts(value: object, key: str) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InputError("a mapping to types expected", where=key)
    return {name: str(text) for name, text in value.items()}
