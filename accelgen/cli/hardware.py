"""``accelgen hardware``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from accelgen.cli.command import Command, add_json, print_json, table

if TYPE_CHECKING:
    from accelgen.hardware import Dataflow, Hardware, Level

__all__ = ["HARDWARE"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="HARDWARE",
        help="show this one: a shipped name, a YAML file, or the folder of a generated design",
    )  # fmt: skip
    add_json(parser)


def _hardware(arguments: argparse.Namespace) -> int:
    from accelgen.hardware import list_hardware, load_hardware

    if arguments.name is not None:
        shown = load_hardware(arguments.name)
        if arguments.json:
            print_json({**_totals(shown), **_figures(shown)})
        else:
            print("\n".join(_shown(shown)))
        return 0
    shipped = [load_hardware(name) for name in list_hardware()]
    if arguments.json:
        print_json({"hardware": [_totals(hardware) for hardware in shipped]})
    else:
        heading = (
            "hardware", "array", "units", "on-chip bytes", "bytes/cycle", "MHz", "formats",
            "source",
        )  # fmt: skip
        print(table([heading, *(_row(hardware) for hardware in shipped)]))
    return 0


def _row(hardware: Hardware) -> tuple[object, ...]:
    return (
        hardware.name,
        _array(hardware),
        hardware.units,
        _bytes(hardware),
        _number(_bandwidth(hardware)),
        _number(hardware.clock_mhz),
        ", ".join(map(_format, hardware.mac_pj)),
        hardware.sources,
    )


def _totals(hardware: Hardware) -> dict[str, object]:
    return {
        "name": hardware.name,
        "array": dict(hardware.array),
        "units": hardware.units,
        "on_chip_bytes": _bytes(hardware),
        "outer_bytes_per_cycle": _bandwidth(hardware),
        "clock_mhz": hardware.clock_mhz,
        "mac_pj": {_format(name): energy for name, energy in hardware.mac_pj.items()},
        "area_mm2": hardware.area_mm2,
        "leakage_mw": hardware.leakage_mw,
        "sources": hardware.sources,
    }


def _figures(hardware: Hardware) -> dict[str, object]:
    registers = hardware.registers
    return {
        "unit": hardware.unit,
        "lanes": hardware.lanes,
        "alone_pj": {_format(name): energy for name, energy in hardware.alone_pj.items()},
        "link_pj": hardware.link_pj,
        "skewed": hardware.skewed,
        "fill": hardware.fill,
        "join_cycles": hardware.join_cycles,
        "sum_bits": hardware.sum_bits,
        "unit_area_mm2": hardware.unit_area_mm2,
        "unit_leakage_mw": hardware.unit_leakage_mw,
        "dataflows": [
            {
                "name": dataflow.name,
                "unrolls": dict(dataflow.unrolls),
                "several": dataflow.several,
                "stationary": dataflow.stationary,
                "inner": dataflow.inner,
            }
            for dataflow in hardware.dataflows
        ],
        "registers": None if registers is None else _level(registers),
        "levels": [_level(level) for level in hardware.levels],
        "attention": hardware.attention.values(),
    }


def _level(level: Level) -> dict[str, object]:
    memories = [
        {
            "name": memory.name,
            "holds": memory.holds,
            "bytes": memory.size,
            "bytes_per_cycle": memory.bandwidth,
            "pj_per_bit": memory.read_pj,
            "write_pj_per_bit": memory.write_pj,
            "buffers": memory.buffers,
            "slides": memory.slides,
            "streams": memory.streams,
            "area_mm2": memory.area_mm2,
            "leakage_mw": memory.leakage_mw,
        }
        for memory in level.memories
    ]
    return {"name": level.name, "memories": memories, "links": dict(level.links)}


def _bytes(hardware: Hardware) -> int:
    """All memories of limited size, those of every unit included."""
    units = hardware.registers.memories if hardware.registers is not None else ()
    levels = [memory for level in hardware.levels for memory in level.memories]
    return sum(memory.size or 0 for memory in levels) + hardware.units * sum(
        memory.size or 0 for memory in units
    )


def _bandwidth(hardware: Hardware) -> float | None:
    """Of the outermost level; ``None`` when it is never the bottleneck."""
    known = [memory.bandwidth for memory in hardware.levels[-1].memories]
    return None if None in known else sum(rate or 0.0 for rate in known)


def _shown(hardware: Hardware) -> Iterator[str]:
    yield f"{hardware.name}: {hardware.sources}" if hardware.sources else hardware.name
    skewed = f", skewed along {', '.join(hardware.skewed)}" if hardware.skewed else ""
    kind = "" if hardware.unit == "plain" else f"{hardware.unit.replace('_', '-')} "
    units = f"{_count(hardware.units, f'{kind}unit')} at {_number(hardware.clock_mhz)} MHz"
    yield f"  array     {_array(hardware)}: {units}{skewed}"
    yield f"  unit      {', '.join(_unit(hardware))}"
    names = [dataflow.name for dataflow in hardware.dataflows]
    for dataflow in hardware.dataflows:
        yield f"  dataflow  {dataflow.name.ljust(max(map(len, names)))}  {_dataflow(dataflow)}"
    if not names:
        yield "  dataflow  any loop on any axis"
    rows: list[tuple[object, ...]] = [
        ("level", "memory", "holds", "bytes", "bytes/cycle", "pJ/bit read", "written", "area mm2",
         "leakage mW", "")
    ]  # fmt: skip
    registers = () if hardware.registers is None else (hardware.registers,)
    for level in (*registers, *hardware.levels):
        rows += _memories(level, "of a unit" if level in registers else "")
    yield table(rows, indent="  ")
    for level in hardware.levels:
        if level.links:
            links = ", ".join(f"{role} {_number(rate)}" for role, rate in level.links.items())
            yield f"  links     {level.name}, bytes per cycle in each direction: {links}"
    area = hardware.area_mm2
    yield f"  area      {'not known' if area is None else f'{_number(area)} mm2'}"
    yield f"  leakage   {_number(hardware.leakage_mw)} mW"


def _unit(hardware: Hardware) -> Iterator[str]:
    for name, energy in hardware.mac_pj.items():
        yield f"MAC of {_format(name)} {_number(energy)} pJ"
    if hardware.link_pj:
        yield f"link {_number(hardware.link_pj)} pJ per bit"
    if hardware.sum_bits is not None:
        yield f"sums of {hardware.sum_bits} bits"
    if hardware.unit == "bit_serial":
        yield f"{_count(hardware.lanes, 'lane')} of a bit"
    if hardware.join_cycles:
        yield f"{_count(hardware.join_cycles, 'cycle')} for a sum from elsewhere"
    if hardware.fill:
        yield f"{_count(hardware.fill, 'cycle')} to fill"
    if hardware.unit_area_mm2 is not None:
        yield f"{_number(hardware.unit_area_mm2)} mm2"
    if hardware.unit_leakage_mw:
        yield f"{_number(hardware.unit_leakage_mw)} mW"


def _dataflow(dataflow: Dataflow) -> str:
    axes = ", ".join(f"{axis}: {' '.join(loops)}" for axis, loops in dataflow.unrolls.items())
    several = " (several at once)" if dataflow.several else ""
    kept = f"; {dataflow.stationary} stay" if dataflow.stationary else ""
    inner = f"; in a unit {' '.join(dataflow.inner)}" if dataflow.inner is not None else ""
    return f"{axes}{several}{kept}{inner}"


def _memories(level: Level, remark: str) -> Iterator[tuple[object, ...]]:
    for memory in level.memories:
        kinds = ((memory.buffers == 1, "one buffer"), (memory.slides, "slides"))
        notes = [what for applies, what in (*kinds, (memory.streams, "streams")) if applies]
        yield (
            level.name,
            memory.name,
            " ".join(memory.holds),
            "-" if memory.size is None else memory.size,
            *map(_number, (memory.bandwidth, memory.read_pj, memory.write_pj)),
            *map(_number, (memory.area_mm2, memory.leakage_mw)),
            ", ".join((remark, *notes) if remark else notes),
        )


def _array(hardware: Hardware) -> str:
    return " ".join(f"{axis}={extent}" for axis, extent in hardware.array.items()) or "-"


def _format(name: str) -> str:
    """``int8`` for ``int8*int8``."""
    first, _, second = name.partition("*")
    return first if first == second else name


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


HARDWARE = Command("hardware", "list the shipped hardware, or show one", _add_arguments, _hardware)
