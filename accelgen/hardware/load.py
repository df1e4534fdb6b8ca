"""Hardware from YAML: ``mapping/hardware/`` and files of the user's own.

Energy and area are given in the file, or follow from ``technology`` (see
:mod:`accelgen.energy`) by the type, size and width of a memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from accelgen.affine.roles import ROLES, Role
from accelgen.affine.yaml_text import Node, Plain, flag, parse_yaml, read_text
from accelgen.content import content_path, list_content
from accelgen.energy import Energies, MemoryCost, load_energies, mac_name
from accelgen.errors import InputError
from accelgen.hardware.attention import attention_from
from accelgen.hardware.dataflows import dataflow_of
from accelgen.hardware.kernel import kernel_values
from accelgen.hardware.model import ANY_FORMAT, Dataflow, Hardware, Level, Memory
from accelgen.hardware.words import unit_kind
from accelgen.manifest import Manifest
from accelgen.names import FrozenMap, nearest, shorten, unknown, within

__all__ = ["hardware_from", "hardware_of_kernel", "hardware_values", "list_hardware",
           "load_hardware", "parse_hardware"]  # fmt: skip

Values = dict[str, Plain]

HARDWARE_KEYS = (
    "name", "array", "dataflows", "unrolls", "levels", "registers", "formats", "sum_bits", "mac_pj",
    "link_pj", "join_cycles", "skewed", "fill", "clock_mhz", "technology", "unit_leakage_mw",
    "unit_area_mm2", "sources", "attention", "unit", "lanes", "alone_pj",
)  # fmt: skip
MEMORY_KEYS = (
    "name", "holds", "bytes", "bytes_per_cycle", "gbytes_per_second", "pj_per_bit",
    "write_pj_per_bit", "buffers", "slides", "streams", "type", "width", "banks", "leakage_mw",
    "area_mm2",
)  # fmt: skip
LEVEL_KEYS = (*MEMORY_KEYS, "memories", "links")
DATAFLOW_KEYS = ("name", "unrolls", "several", "stationary", "inner")


def list_hardware() -> tuple[str, ...]:
    """The names of the shipped hardware, sorted."""
    files = [name for name in list_content("mapping") if name.startswith("hardware/")]
    return tuple(name.removeprefix("hardware/").removesuffix(".yaml") for name in files)


def load_hardware(source: str | Path) -> Hardware:
    """Read a hardware file, a shipped one by its name, or a generated kernel: its folder or the
    ``manifest.json`` in it.

    Raises :class:`InputError` when it cannot be read.
    """
    if _is_kernel(source):
        return hardware_of_kernel(_manifest(Path(source)))
    return parse_hardware(read_text(_path(source)), where=str(source))


def hardware_of_kernel(manifest: Manifest, technology: str | None = None) -> Hardware:
    """A generated kernel as hardware, see :func:`accelgen.hardware.kernel.kernel_values`."""
    return hardware_from(kernel_values(manifest, technology))


def parse_hardware(text: str, where: str = "hardware") -> Hardware:
    """Read hardware from YAML text."""
    root = parse_yaml(text, where)
    if not isinstance(root.value, dict):
        raise InputError(
            "a mapping expected", where=where, hint=f"give {', '.join(HARDWARE_KEYS[:5])}"
        )
    try:
        return hardware_from({key: node.plain() for key, node in root.value.items()})
    except InputError as error:
        path = [part.strip() for part in (error.where or "").split(":")]
        error.where = f"{where}:{_line(root, path)}" + (f": {error.where}" if error.where else "")
        raise


def hardware_values(source: str | Path) -> Values:
    """The plain values of what :func:`load_hardware` reads, to change some and to give to
    :func:`hardware_from`.
    """
    if _is_kernel(source):
        return kernel_values(_manifest(Path(source)))
    root = parse_yaml(read_text(_path(source)), str(source)).plain()
    if not isinstance(root, dict):
        raise InputError("a mapping expected", where=str(source))
    return root


def hardware_from(values: Mapping[str, Plain]) -> Hardware:
    """Hardware from plain values, as in a file.  Raises :class:`InputError`."""
    _check_keys(values, HARDWARE_KEYS, "key")
    clock = _number(values.get("clock_mhz", 1000), "clock_mhz")
    if clock <= 0:
        raise InputError(f"{clock:g} MHz", where="clock_mhz", hint="give a positive number")
    technology = values.get("technology")
    with within("technology"):
        energies = None if technology is None else load_energies(str(technology))
    registers = values.get("registers")
    array = FrozenMap({k: _integer(n, f"array: {k}") for k, n in _mapping(values, "array").items()})
    skewed = _names(values.get("skewed", []), "skewed")
    dataflows = _dataflows(values)
    with within("skewed"):
        _check_axes(skewed, array)
    for dataflow in dataflows:
        with within(f"dataflows: {dataflow.name}"):
            _check_axes(dataflow.unrolls, array)
    unit = unit_kind(str(values.get("unit", "plain")))
    lanes = values.get("lanes")
    if energies is not None and unit != "plain":
        energies = replace(energies, macs=energies.units.get(unit, FrozenMap()))
        if lanes is None and unit == "bit_serial" and "mac_pj" not in values:
            lanes = energies.lanes
    macs, unit_leakage, unit_area = _units(values, energies)
    sources = str(values.get("sources", ""))
    if energies is not None:
        sources = "; ".join(part for part in (sources, energies.source) if part)
    with within("levels"):
        levels = tuple(_level(item, clock, energies, "sram") for item in _list(values, "levels"))
    with within("registers"):
        file = None if registers is None else _level(registers, clock, energies, "registers")
    with within("attention"):
        attention = attention_from(
            values.get("attention"), None if technology is None else str(technology)
        )
    return Hardware(
        name=str(values.get("name", "")),
        array=array,
        levels=levels,
        mac_pj=macs,
        clock_mhz=clock,
        dataflows=dataflows,
        registers=file,
        link_pj=_number(values.get("link_pj", energies.link_pj if energies else 0), "link_pj"),
        join_cycles=_integer(values.get("join_cycles", 0), "join_cycles"),
        skewed=skewed,
        fill=_integer(values.get("fill", 0), "fill"),
        unit_leakage_mw=unit_leakage,
        unit_area_mm2=unit_area,
        sources=sources,
        sum_bits=None
        if values.get("sum_bits") is None
        else _integer(values["sum_bits"], "sum_bits"),
        attention=attention,
        unit=unit,
        lanes=1 if lanes is None else _integer(lanes, "lanes"),
        alone_pj=_alone(values, energies),
    )


def _is_kernel(source: str | Path) -> bool:
    """Whether it is the folder of a generated design, or the manifest in it."""
    path = Path(source)
    return path.name == "manifest.json" or (path.is_dir() and str(source) not in list_hardware())


def _manifest(path: Path) -> Manifest:
    return Manifest.read(path if path.is_dir() else path.parent)


def _path(source: str | Path) -> Path:
    path = Path(source)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    try:
        return content_path("mapping", f"hardware/{source}")
    except InputError:
        raise unknown(str(source), "hardware", list_hardware()) from None


def _units(
    values: Mapping[str, Plain], energies: Energies | None
) -> tuple[FrozenMap[str, float], float, float | None]:
    """Energy by format, leakage and area of a unit."""
    given = values.get("mac_pj")
    leakage, area = values.get("unit_leakage_mw"), values.get("unit_area_mm2")
    known = energies.macs if energies is not None else FrozenMap()
    if given is None and not known:
        raise InputError("no energy of a multiply-accumulate", where="mac_pj", hint="mac_pj: 0.23")
    if given is None:
        names = [mac_name(name) for name in _names(values.get("formats", list(known)), "formats")]
        with within("formats"):
            for name in names:
                if name not in known:
                    raise unknown(name, "number format of the technology", known)
        macs = {name: known[name].pj for name in names}
    elif "formats" in values:
        raise InputError("beside mac_pj", where="formats", hint="mac_pj: {int8: 0.3}")
    elif isinstance(given, dict):
        macs = {
            name if name == ANY_FORMAT else mac_name(name): _number(value, f"mac_pj: {name}")
            for name, value in given.items()
        }
    else:
        macs = {ANY_FORMAT: _number(given, "mac_pj")}
    # One unit serves all formats of the file that it has an energy for: the largest of them.
    largest = [cost for name, cost in known.items() if name in macs]
    if leakage is None:
        leaking = max((cost.leakage_mw for cost in largest), default=0.0)
    else:
        leaking = _number(leakage, "unit_leakage_mw")
    if area is not None:
        size: float | None = _number(area, "unit_area_mm2")
    else:
        sizes = [cost.area_mm2 for cost in largest if cost.area_mm2 is not None]
        size = max(sizes, default=None)
    return FrozenMap(macs), leaking, size


def _alone(values: Mapping[str, Plain], energies: Energies | None) -> FrozenMap[str, float]:
    """What units take that make one product of several: as given, or where ``mac_pj`` is from."""
    given = _mapping(values, "alone_pj")
    if given or energies is None or "mac_pj" in values:
        return FrozenMap({mac_name(k): _number(v, f"alone_pj: {k}") for k, v in given.items()})
    known = {name: cost.alone_pj for name, cost in energies.macs.items()}
    return FrozenMap({name: pj for name, pj in known.items() if pj is not None})


def _check_axes(axes: Iterable[str], array: Mapping[str, int]) -> None:
    for axis in axes:
        if axis not in array:
            raise unknown(axis, "axis", array)


def _dataflows(values: Mapping[str, Plain]) -> tuple[Dataflow, ...]:
    found = []
    with within("dataflows"):
        for item in _list(values, "dataflows"):
            if isinstance(item, str):
                found.append(dataflow_of(item))
                continue
            if not isinstance(item, dict):
                raise InputError("a name or a mapping expected", hint="- {name: os, unrolls: ...}")
            found.append(_dataflow(item))
    if "unrolls" in values:
        found.append(Dataflow("given", _unrolls(values)))
    return tuple(found)


def _dataflow(item: dict[str, Plain]) -> Dataflow:
    name = str(item.get("name", ""))
    with within(_short(name)):
        _check_keys(item, DATAFLOW_KEYS, "key of a dataflow")
        if "unrolls" not in item:
            raise InputError("unrolls no loop", hint="give unrolls: {i: [k], j: [c]}")
        unrolls, several = _unrolls(item), flag(item.get("several"), "several")
        stationary = None if item.get("stationary") is None else _role(item["stationary"])
    inner = _names(item["inner"], "inner") if "inner" in item else None
    return Dataflow(name, unrolls, several, stationary, inner)


def _unrolls(values: Mapping[str, Plain]) -> FrozenMap[str, tuple[str, ...]]:
    return FrozenMap({k: _names(v, k) for k, v in _mapping(values, "unrolls").items()})


def _level(item: Plain, clock: float, energies: Energies | None, default: str) -> Level:
    if not isinstance(item, dict):
        raise InputError("a mapping expected", hint="- {name: sram, bytes: 65536, ...}")
    name = str(item.get("name", default))
    with within(_short(name)):
        _check_keys(item, LEVEL_KEYS, "key of a level")
        given = _mapping(item, "links")
        with within("links"):
            links = {_role(role): _number(rate, role) for role, rate in given.items()}
        parts = _list(item, "memories")
        if parts and set(item) & set(MEMORY_KEYS) - {"name"}:
            raise InputError("keys of a memory beside memories", hint="put them in one of these")
        memories = tuple(_memory(part, name, clock, energies, default) for part in parts)
    if not parts:
        alone = {key: value for key, value in item.items() if key in MEMORY_KEYS}
        memories = (_memory(alone, name, clock, energies, default),)
    return Level(name, memories, FrozenMap(links))


def _memory(item: Plain, level: str, clock: float, energies: Energies | None, kind: str) -> Memory:
    if not isinstance(item, dict):
        raise InputError("a mapping expected", hint="- {name: ..., holds: [weights]}")
    name = str(item.get("name", level))
    with within(_short(name)):
        _check_keys(item, MEMORY_KEYS, "key of a memory")
        size = None if item.get("bytes") is None else _integer(item["bytes"], "bytes")
        holds = _names(item["holds"], "holds") if "holds" in item else ROLES
        roles = tuple(_role(x) for x in holds)
        bandwidth = _bandwidth(item, clock)
        buffers = _integer(item.get("buffers", 2), "buffers")
        slides = flag(item.get("slides"), "slides")
        streams = flag(item.get("streams"), "streams")
        cost = _cost(item, size, energies, kind)
        leakage = _number(item.get("leakage_mw", cost.leakage_mw), "leakage_mw")
        area = cost.area_mm2
        if item.get("area_mm2") is not None:
            area = _number(item["area_mm2"], "area_mm2")
    return Memory(
        name, size, bandwidth, cost.read_pj, cost.write_pj, roles, buffers, slides, leakage, area,
        streams,
    )  # fmt: skip


def _bandwidth(item: Mapping[str, Plain], clock: float) -> float | None:
    """Bytes per cycle, given as such or per second."""
    per_cycle, per_second = item.get("bytes_per_cycle"), item.get("gbytes_per_second")
    if per_cycle is not None and per_second is not None:
        raise InputError("two bandwidths", hint="give bytes_per_cycle or gbytes_per_second")
    if per_second is not None:
        return _number(per_second, "gbytes_per_second") * 1000.0 / clock
    return None if per_cycle is None else _number(per_cycle, "bytes_per_cycle")


def _cost(
    item: Mapping[str, Plain], size: int | None, energies: Energies | None, kind: str
) -> MemoryCost:
    """What a memory costs: as given, else by its technology."""
    read, write = item.get("pj_per_bit"), item.get("write_pj_per_bit")
    if read is not None:
        reading = _number(read, "pj_per_bit")
        cost = MemoryCost(reading, reading, 0.0, None)
    else:
        cost = _by_technology(item, size, energies, kind)
    if write is None:
        return cost
    return replace(cost, write_pj=_number(write, "write_pj_per_bit"))


def _by_technology(
    item: Mapping[str, Plain], size: int | None, energies: Energies | None, kind: str
) -> MemoryCost:
    if energies is None:
        raise InputError("no energy", where="pj_per_bit", hint="give pj_per_bit or a technology")
    chosen = str(item.get("type", kind))
    width = _integer(item.get("width", 64), "width")
    if chosen == "registers":
        return energies.registers(size or 1, width)
    if chosen == "sram":
        if size is None:
            raise InputError("no size", where="bytes", hint="give bytes, or the type of a DRAM")
        banks = _integer(item.get("banks", 1), "banks")
        if banks < 1 or size % banks:
            raise InputError(f"{banks} banks of {size} bytes", where="banks", hint="use a divisor")
        bank = energies.sram(size // banks, width)
        area = None if bank.area_mm2 is None else banks * bank.area_mm2
        return replace(bank, leakage_mw=banks * bank.leakage_mw, area_mm2=area)
    with within("type"):
        return energies.dram(chosen)


def _line(node: Node, path: Sequence[str]) -> int:
    """The line of the innermost value that the parts of ``path`` lead to, by key or by name."""
    for part in path:
        if isinstance(node.value, dict) and part in node.value:
            node = node.value[part]
        elif isinstance(node.value, dict) and isinstance(node.value.get("memories"), Node):
            node = _named(node.value["memories"], part) or node
        else:
            node = _named(node, part) or node
    return node.line


def _named(node: Node, name: str) -> Node | None:
    for item in node.value if isinstance(node.value, tuple) else ():
        if isinstance(item.value, dict) and (given := item.value.get("name")) is not None:
            if given.value == name:
                return item
        elif item.value == name:
            return item
    return None


def _short(name: str) -> str:
    """A name that a person wrote, as a place in an error."""
    return name if len(name) <= 64 and name.isprintable() else shorten(name)


def _check_keys(item: Mapping[str, Plain], known: tuple[str, ...], kind: str) -> None:
    for key in item:
        if key not in known:
            raise InputError(
                f"unknown {kind}", where=_short(str(key)), hint=nearest(str(key), known)
            )


def _role(value: Plain) -> Role:
    for role in ROLES:
        if value == role:
            return role
    raise unknown(str(value), "role", ROLES)


def _number(value: Plain | float, where: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{shorten(value)} is no number", where=where, hint="use 0.5")
    return number


def _integer(value: Plain, where: str) -> int:
    if not isinstance(value, int):
        raise InputError(f"{shorten(value)} is no integer", where=where, hint="use 16")
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


def _names(value: Plain, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InputError("a list of names expected", where=where, hint="use [k, p]")
    return tuple(str(name) for name in value)
