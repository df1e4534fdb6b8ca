"""Hardware as the cost model sees it: an array and the memories above it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from accelgen.affine.yaml_text import Plain, parse_yaml, read_text
from accelgen.content import content_path
from accelgen.errors import InputError
from accelgen.names import FrozenMap, check_name, unknown, within

__all__ = ["Hardware", "Level", "load_hardware", "parse_hardware"]

MAX_UNITS = 1 << 20


@dataclass(frozen=True)
class Level:
    """A memory shared by all operands.

    ``size`` in bytes (``None``: holds everything); ``bandwidth`` in bytes per cycle, reads and
    writes together, towards the level below (``None``: never the bottleneck); energy in
    picojoule per bit read and written; ``buffers`` 2 when a tile is replaced while another is in
    use, 1 when that has to wait.
    """

    name: str
    size: int | None
    bandwidth: float | None
    read_pj: float
    write_pj: float
    buffers: int = 2

    def __post_init__(self) -> None:
        check_name(self.name, "level")
        with within(self.name):
            for what, value in (("size", self.size), ("bandwidth", self.bandwidth)):
                if value is not None and not 0 < value < math.inf:
                    raise InputError(f"{what} {value}", hint="give a positive number")
            for value in (self.read_pj, self.write_pj):
                if not 0 <= value < math.inf:
                    raise InputError(f"an energy of {value} pJ per bit", hint="use 0 or more")
            if self.buffers not in (1, 2):
                raise InputError(f"{self.buffers} buffers", hint="use 1 or 2")


@dataclass(frozen=True)
class Hardware:
    """An array of multiply-accumulate units under a chain of memories, innermost first.

    ``array`` gives the extent of every axis, ``unrolls`` which loops an axis may unroll (any when
    not given).  Every unit does one multiply-accumulate per cycle and holds an element of each
    operand, which it keeps while it is wanted; elements that several units want in a cycle are
    read once.  ``mac_pj`` is the energy of a multiply-accumulate with its registers, ``sources``
    says where the figures are from.
    """

    name: str
    array: Mapping[str, int]
    levels: tuple[Level, ...]
    mac_pj: float
    clock_mhz: float = 1000.0
    unrolls: Mapping[str, tuple[str, ...]] = FrozenMap()
    sources: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, "hardware")
        with within("array"):
            for axis, extent in self.array.items():
                check_name(axis, "axis")
                if not 1 <= extent <= MAX_UNITS:
                    raise InputError(f"{axis}: {extent} is outside 1..{MAX_UNITS}")
        for axis in self.unrolls:
            if axis not in self.array:
                raise unknown(axis, "axis", self.array)
        if not self.levels:
            raise InputError("no level", where="levels", hint="give a memory at least")
        if self.levels[-1].size is not None:
            raise InputError(
                "the outermost level must hold everything", where="levels", hint="give it no size"
            )
        for value, what in ((self.mac_pj, "mac_pj"), (self.clock_mhz, "clock_mhz")):
            if not 0 <= value < math.inf:
                raise InputError(f"{value}", where=what, hint="use 0 or more")

    @property
    def units(self) -> int:
        """Number of multiply-accumulate units."""
        return math.prod(self.array.values())


_KEYS = ("name", "array", "unrolls", "levels", "mac_pj", "clock_mhz", "sources")
_LEVEL_KEYS = ("name", "bytes", "bytes_per_cycle", "pj_per_bit", "write_pj_per_bit", "buffers")


def load_hardware(source: str | Path) -> Hardware:
    """Read a hardware file, or a shipped one by its name.

    Raises :class:`InputError` when it cannot be read.
    """
    path = Path(source)
    if path.suffix not in (".yaml", ".yml") and not path.is_file():
        path = content_path("mapping", f"hardware/{source}")
    return parse_hardware(read_text(path), where=str(source))


def parse_hardware(text: str, where: str = "hardware") -> Hardware:
    """Read hardware from YAML text."""
    root = parse_yaml(text, where)
    if not isinstance(root.value, dict):
        raise InputError("a mapping expected", where=where, hint=f"give {', '.join(_KEYS)}")
    for key, node in root.value.items():
        if key not in _KEYS:
            error = unknown(key, "key", _KEYS)
            error.where = f"{where}:{node.line}"
            raise error
    values = {key: node.plain() for key, node in root.value.items()}
    try:
        return Hardware(
            str(values.get("name", "")),
            FrozenMap(
                {k: _integer(n, f"array: {k}") for k, n in _mapping(values, "array").items()}
            ),
            tuple(_level(item) for item in _list(values, "levels")),
            _number(values.get("mac_pj"), "mac_pj"),
            _number(values.get("clock_mhz", 1000), "clock_mhz"),
            FrozenMap({k: _names(v, k) for k, v in _mapping(values, "unrolls").items()}),
            str(values.get("sources", "")),
        )
    except InputError as error:
        key = (error.where or "").split(":")[0]
        line = f":{root.value[key].line}" if key in root.value else ""
        error.where = f"{where}{line}" + (f": {error.where}" if error.where else "")
        raise


def _level(item: Plain) -> Level:
    if not isinstance(item, dict):
        raise InputError("a mapping expected", where="levels", hint="- {name: sram, bytes: 65536}")
    for key in item:
        if key not in _LEVEL_KEYS:
            raise unknown(str(key), "key of a level", _LEVEL_KEYS)
    with within("levels"):
        size, bandwidth = item.get("bytes"), item.get("bytes_per_cycle")
        read = _number(item.get("pj_per_bit"), "pj_per_bit")
        write = item.get("write_pj_per_bit")
        return Level(
            str(item.get("name", "")),
            None if size is None else _integer(size, "bytes"),
            None if bandwidth is None else _number(bandwidth, "bytes_per_cycle"),
            read,
            read if write is None else _number(write, "write_pj_per_bit"),
            _integer(item.get("buffers", 2), "buffers"),
        )


def _number(value: Plain, where: str) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{value!r} is no number", where=where, hint="use 0.5") from None


def _integer(value: Plain, where: str) -> int:
    if not isinstance(value, int):
        raise InputError(f"{value!r} is no integer", where=where, hint="use 16")
    return value


def _mapping(values: Mapping[str, Plain], key: str) -> dict[str, Plain]:
    value = values.get(key, {})
    if not isinstance(value, dict):
        raise InputError("a mapping expected", where=key, hint=f"write {key}: {{i: ...}}")
    return value


def _list(values: Mapping[str, Plain], key: str) -> list[Plain]:
    value = values.get(key, [])
    if not isinstance(value, list):
        raise InputError("a list expected", where=key)
    return value


def _names(value: Plain, axis: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InputError("a list of loops expected", where=f"unrolls: {axis}", hint="[m, n]")
    return tuple(str(name) for name in value)
