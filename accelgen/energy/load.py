"""Technologies from YAML: the shipped ones and files of the user's own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath

from accelgen.affine.yaml_text import Plain, parse_yaml, read_text
from accelgen.content import content_path, list_content
from accelgen.energy.model import Energies, MemoryCost, UnitCost, mac_name
from accelgen.energy.table import Row, SizeTable
from accelgen.errors import InputError
from accelgen.formats import get_format
from accelgen.names import FrozenMap, check_name, shorten, unknown, within

__all__ = ["list_energies", "load_energies", "parse_energies"]

_KINDS = ("composable", "bit_serial")
_KEYS = ("name", "source", "macs", "registers", "sram", "link", "dram", *_KINDS)
_FOLDER = PurePosixPath("technology/energy")
_COLUMNS = "[bytes, bits, read_pj, write_pj, leakage_mw, area_mm2]"


def list_energies() -> tuple[str, ...]:
    """The names of the shipped technologies with energies, sorted."""
    files = (PurePosixPath(name) for name in list_content("mapping"))
    return tuple(file.stem for file in files if file.parent == _FOLDER)


def load_energies(name: str) -> Energies:
    """The technology of that name, or of the file where ``name`` ends in ``.yaml``.

    Raises :class:`InputError`, with the nearest name, when there is none, or when the file is
    wrong.
    """
    if name.endswith((".yaml", ".yml")):
        return parse_energies(read_text(Path(name)), where=name)
    return _shipped(name)


@cache
def _shipped(name: str) -> Energies:
    if name not in list_energies():
        raise unknown(name, "technology", list_energies())
    return parse_energies(read_text(content_path("mapping", f"{_FOLDER}/{name}.yaml")), name)


def parse_energies(text: str, where: str = "technology") -> Energies:
    """Read a technology from YAML text.  Raises :class:`InputError` at a line of ``where``."""
    root = parse_yaml(text, where)
    if not isinstance(root.value, dict):
        raise InputError("a mapping expected", where=where, hint="give name, source, macs, sram")
    for key, node in root.value.items():
        with within(f"{where}:{node.line}"):
            _check_keys((key,), _KEYS)
    try:
        return _energies({key: node.plain() for key, node in root.value.items()})
    except InputError as error:
        key = (error.where or "").split(":")[0]
        line = f":{root.value[key].line}" if key in root.value else ""
        error.where = f"{where}{line}" + (f": {error.where}" if error.where else "")
        raise


def _energies(values: Mapping[str, Plain]) -> Energies:
    with within("name"):
        name = check_name(values.get("name"), "technology")
    with within("sram"):
        sram = _table(values.get("sram"), None)
        macros = _macros(values.get("sram"))
    with within("registers"):
        registers = _table(values.get("registers"), sram)
    with within("macs"):
        macs = _macs(values.get("macs"))
    with within("link"):
        link = _group(values.get("link"), ("source", "pj_per_bit"))
        link_pj = _number(link["pj_per_bit"], "pj_per_bit") if link else 0.0
    with within("dram"):
        drams = _drams(values["dram"]) if "dram" in values else _shared_drams()
    units, lanes = _units(_unit_values(name, values))
    return Energies(
        name, macs, link_pj, _source(values), registers, sram, drams, units, lanes, macros
    )


def _unit_values(name: str, values: Mapping[str, Plain]) -> Mapping[str, Plain]:
    """Groups of units of widths chosen at run time: as given, else those measured for it."""
    shared = f"{_FOLDER}/shared/units_{name}.yaml"
    if set(_KINDS) & values.keys() or shared not in list_content("mapping"):
        return values
    found = parse_yaml(read_text(content_path("mapping", shared)), shared).plain()
    return _mapping(found)


def _units(values: Mapping[str, Plain]) -> tuple[FrozenMap[str, FrozenMap[str, UnitCost]], int]:
    units, lanes = {}, 1
    for kind in _KINDS:
        if kind not in values:
            continue
        with within(kind):
            group = _mapping(values[kind])
            if kind == "bit_serial":
                given = group.pop("lanes", None)
                if not isinstance(given, int) or given < 1:
                    raise InputError(f"{shorten(given)} lanes", hint="lanes: 16")
                lanes = given
            units[kind] = _macs(group)
    return FrozenMap(units), lanes


def _group(value: Plain, keys: tuple[str, ...]) -> dict[str, Plain]:
    """A group of figures with its source; empty when it is not given."""
    if value is None:
        return {}
    values = _mapping(value)
    _check_keys(values, keys)
    _source(values)
    if not set(keys[1:]) & values.keys():
        raise InputError("no figures", hint=f"give {' or '.join(keys[1:])}")
    return values


def _table(value: Plain, other: SizeTable | None) -> SizeTable | None:
    group = _group(value, ("source", "rows", "same_as", "banks", "single"))
    if not group:
        return None
    if "same_as" in group:
        if group["same_as"] != "sram" or other is None:
            raise InputError(f"same_as {shorten(group['same_as'])}", hint="give rows, and sram")
        return other
    if group.get("banks") not in (None, "true", "false"):
        raise InputError("neither true nor false", where="banks")
    with within("rows"):
        return SizeTable(_rows(group.get("rows")), group.get("banks") == "true")


def _macros(value: Plain) -> tuple[Row, ...]:
    """Rows of an SRAM table that stand for macros: those of a table of banks, and what it has
    single ones of a width.
    """
    group = _mapping({} if value is None else value)
    if group.get("banks") != "true":
        return ()
    with within("single"):
        return *_rows(group["rows"]), *_rows(group.get("single", []))


def _rows(value: Plain) -> tuple[Row, ...]:
    if not isinstance(value, list):
        raise InputError("a list expected", hint=f"- {_COLUMNS}")
    return tuple(_row(row) for row in value)


def _row(row: Plain) -> Row:
    if not isinstance(row, list) or len(row) != 6:
        raise InputError(f"{shorten(row)} is no row", hint=f"- {_COLUMNS}")
    size, width, read, write, leakage, area = row
    if not isinstance(size, int) or not isinstance(width, int):
        raise InputError(f"bytes and bits of {shorten(row)}", hint="use integers")
    return Row(
        size,
        width,
        _number(read, "read_pj"),
        _number(write, "write_pj"),
        _number(leakage, "leakage_mw"),
        None if area is None else _number(area, "area_mm2"),
    )


def _macs(value: Plain) -> FrozenMap[str, UnitCost]:
    group = _group(value, ("source", "formats", "same_as"))
    if "same_as" in group:
        return FrozenMap(load_energies(str(group["same_as"])).macs)
    costs: dict[str, UnitCost] = {}
    for formats, item in _mapping(group.get("formats", {})).items():
        with within(shorten(formats)):
            for one in formats.split("*"):
                get_format(one.strip())
            values = _mapping(item)
            _check_keys(values, ("pj", "alone_pj", "leakage_mw", "area_mm2"))
            if "pj" not in values:
                raise InputError("no energy", hint="pj: 0.3")
            name = mac_name(formats)
            if name in costs:
                raise InputError("given twice", hint="drop one")
            area, alone = values.get("area_mm2"), values.get("alone_pj")
            costs[name] = UnitCost(
                _number(values["pj"], "pj"),
                _number(values.get("leakage_mw", 0), "leakage_mw"),
                None if area is None else _number(area, "area_mm2"),
                None if alone is None else _number(alone, "alone_pj"),
            )
    return FrozenMap(costs)


def _drams(value: Plain) -> FrozenMap[str, MemoryCost]:
    drams = {}
    for kind, item in _mapping(value).items():
        with within(check_name(kind, "type of DRAM")):
            group = _group(item, ("source", "pj_per_bit", "write_pj_per_bit"))
            read = _number(group.get("pj_per_bit"), "pj_per_bit")
            write = _number(group.get("write_pj_per_bit", read), "write_pj_per_bit")
            drams[kind] = MemoryCost(read, write, 0.0, None)
    return FrozenMap(drams)


@cache
def _shared_drams() -> FrozenMap[str, MemoryCost]:
    path = content_path("mapping", f"{_FOLDER}/shared/dram.yaml")
    return _drams(parse_yaml(read_text(path), path.name).plain())


def _source(values: Mapping[str, Plain]) -> str:
    source = values.get("source")
    if not isinstance(source, str) or not source.strip():
        raise InputError("no source", hint="source: where the figures are from")
    return " ".join(source.split())


def _mapping(value: Plain) -> dict[str, Plain]:
    if not isinstance(value, dict):
        raise InputError(f"{shorten(value)} is no mapping", hint="write key: value")
    return value


def _check_keys(values: Iterable[str], known: tuple[str, ...]) -> None:
    for key in values:
        if key not in known:
            raise unknown(key, "key", known)


def _number(value: Plain | float, where: str) -> float:
    """A number of at least 0."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise InputError(f"{shorten(value)} is no number from 0 up", where=where, hint="use 0.5")
    return number
