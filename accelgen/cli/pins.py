"""What ``--pin`` pins mappings to: ``KEY=VALUE``, or a YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.errors import InputError
from accelgen.names import FrozenMap, nearest, shorten, unknown, within

if TYPE_CHECKING:
    from accelgen.affine.yaml_text import Plain
    from accelgen.mapper import Constraints

__all__ = ["PIN", "read_pins"]

PIN = "KEY=VALUE"
KEYS = ("dataflow", "unroll", "registers", "buffer", "levels", "inner", "outer", "uneven")
_PARTS = {"unroll": "an axis", "levels": "a level"}
"""Keys that have a part for each of these."""
_EXAMPLES = {
    "dataflow": "dataflow=NAME",
    "unroll": "unroll.i=k:16",
    "registers": "registers=r:3,s:3",
    "buffer": "buffer=k:64,c:16",
    "levels": "levels.NAME=k:64,c:16",
    "inner": "inner=k,c",
    "outer": "outer=k,c",
    "uneven": "uneven=true",
}


def read_pins(given: Sequence[str], *, uneven: bool = False) -> Constraints:
    """The constraints of all ``--pin`` options: each ``KEY=VALUE`` or the name of a YAML file.

    ``dataflow=NAME``; ``unroll.AXIS=LOOP:UNITS,...`` (``none``: nothing on this axis);
    ``registers=LOOP:SIZE,...``, ``buffer=LOOP:SIZE,...`` and ``levels.NAME=LOOP:SIZE,...``;
    ``inner=LOOP,...`` and ``outer=LOOP,...``; ``uneven=true``, as with ``uneven``.  A file has the
    same keys, with mappings and lists.  Raises :class:`InputError` for anything else, and for a key
    that is given twice.
    """
    found: dict[str, Plain] = {}
    for entry in given:
        key, equals, value = (part.strip() for part in entry.partition("="))
        if not equals:
            values = _file(entry)
        else:
            name, dot, part_of = key.partition(".")
            _check_key(name)
            problem = None
            if name in _PARTS and not part_of:
                problem = f"{name} needs {_PARTS[name]}"
            elif name not in _PARTS and dot:
                problem = f"{name} has no parts"
            if problem is not None:
                hint = f"write --pin {_EXAMPLES[name]}"
                raise InputError(problem, where="--pin", hint=hint)
            values = {name: {part_of: _value(name, value)} if part_of else _value(name, value)}
        for name, part in values.items():
            _merge(found, name, part)
    with within("--pin"):
        pinned = _constraints(found)
    return replace(pinned, uneven=uneven or pinned.uneven)


def _file(entry: str) -> dict[str, Plain]:
    from accelgen.affine.yaml_text import parse_yaml, read_text

    path = Path(entry)
    if not path.is_file() and path.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"{shorten(entry)} is neither KEY=VALUE nor a file", where="--pin",
            hint=f"keys are {', '.join(KEYS)}",
        )  # fmt: skip
    root = parse_yaml(read_text(path), entry)
    if not isinstance(root.value, dict):
        raise InputError("a mapping expected", where=entry, hint=f"keys are {', '.join(KEYS)}")
    for name, node in root.value.items():
        if name not in KEYS:
            raise InputError(
                f"unknown key {shorten(name)}", where=f"{entry}:{node.line}",
                hint=nearest(name, KEYS),
            )  # fmt: skip
    return {name: node.plain() for name, node in root.value.items()}


def _check_key(name: str) -> None:
    if name not in KEYS:
        error = unknown(name, "key", KEYS)
        error.where = "--pin"
        raise error


def _value(name: str, text: str) -> Plain:
    """A value of the command line as it would be in a file."""
    if name in ("dataflow", "uneven"):
        return text
    if text == "none":
        return {}
    entries = [entry.strip() for entry in text.split(",")]
    if name in ("inner", "outer"):
        return list(entries)
    sizes: dict[str, Plain] = {}
    for entry in entries:
        loop, colon, size = (part.strip() for part in entry.partition(":"))
        if not (loop and colon and size.isdecimal() and size.isascii() and len(size) <= 18):
            raise InputError(
                f"{shorten(entry)} is not LOOP:SIZE", where=f"--pin {name}",
                hint=f"write --pin {_EXAMPLES[name]}",
            )  # fmt: skip
        if loop in sizes:
            raise InputError(f"{shorten(loop)} is given twice", where=f"--pin {name}")
        sizes[loop] = int(size)
    return sizes


def _merge(found: dict[str, Plain], name: str, part: Plain) -> None:
    """Add a key; ``unroll`` can be given axis by axis, ``levels`` level by level."""
    before = found.get(name)
    if name in _PARTS and isinstance(before, dict) and isinstance(part, dict):
        again = sorted(set(before) & set(part))
        if again:
            raise InputError(f"{name}.{again[0]} is given twice", where="--pin")
        found[name] = {**before, **part}
        return
    if name in found:
        raise InputError(f"{name} is given twice", where="--pin")
    found[name] = part


def _constraints(found: Mapping[str, Plain]) -> Constraints:
    from accelgen.affine.yaml_text import flag
    from accelgen.mapper import Constraints

    dataflow = found.get("dataflow")
    if dataflow is not None and not isinstance(dataflow, str):
        raise InputError(f"{shorten(dataflow)} is no name", where="dataflow")
    return Constraints(
        dataflow,
        _sizes_of(found["unroll"], "unroll") if found.get("unroll") is not None else None,
        _sizes(found.get("registers"), "registers"),
        _sizes(found.get("buffer"), "buffer"),
        _loops(found.get("inner"), "inner"),
        _loops(found.get("outer"), "outer"),
        _sizes_of(found.get("levels"), "levels"),
        flag(found.get("uneven"), "uneven"),
    )


def _sizes_of(value: Plain, where: str) -> FrozenMap[str, FrozenMap[str, int]]:
    """Sizes by loop, by axis or level."""
    if value is None:
        return FrozenMap()
    if not isinstance(value, dict):
        hint = f"write {{{'i' if where == 'unroll' else 'NAME'}: {{k: 16}}}}"
        raise InputError(f"{shorten(value)} is no mapping", where=where, hint=hint)
    return FrozenMap({x: _sizes(loops, f"{where}: {x}") for x, loops in value.items()})


def _sizes(value: Plain, where: str) -> FrozenMap[str, int]:
    if value is None:
        return FrozenMap()
    if not isinstance(value, dict):
        raise InputError(f"{shorten(value)} is no mapping", where=where, hint="write {k: 16}")
    found: dict[str, int] = {}
    for loop, size in value.items():
        if not isinstance(size, int) or not 1 <= size < 1 << 48:
            raise InputError(f"{loop}: {shorten(size)}", where=where, hint="give 1 or more")
        found[loop] = size
    return FrozenMap(found)


def _loops(value: Plain, where: str) -> tuple[str, ...]:
    if value is None or value == {}:
        return ()
    if not isinstance(value, list) or not all(isinstance(loop, str) for loop in value):
        raise InputError(f"{shorten(value)} is no list of loops", where=where, hint="write [k, c]")
    loops = tuple(str(loop) for loop in value)
    if len(set(loops)) < len(loops):
        raise InputError("a loop is named twice", where=where, hint="name every loop once")
    return loops
