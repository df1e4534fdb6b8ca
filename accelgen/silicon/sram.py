"""SRAM macros: those of Liberty files, and those that a size table makes up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from accelgen.energy import load_energies
from accelgen.energy.load import list_energies
from accelgen.errors import InputError
from accelgen.names import unknown
from accelgen.silicon.liberty import Group, numbers, parse
from accelgen.silicon.libraries import Liberty
from accelgen.silicon.memories import PAGES, Macro, Memory
from accelgen.technology import Technology, list_technologies, load_technology

__all__ = ["macros_of", "table_macros", "tables"]

_PINS = frozenset(("A_CLK", "A_MEN", "A_WEN", "A_REN", "A_ADDR", "A_DIN", "A_BM", "A_DOUT"))


def macros_of(files: Sequence[Liberty]) -> tuple[list[Macro], list[str]]:
    """The macros in Liberty files, and the names of those whose ports are not known here."""
    found, others = [], []
    for file in files:
        if not file.is_memory:
            continue
        library = parse(file.text).groups[0]
        for cell in library.all("cell"):
            memory = next(cell.all("memory"), None)
            if memory is None:
                continue
            pins = {p.label: p for p in (*cell.all("pin"), *cell.all("bus"))}
            if not set(pins) >= _PINS:
                others.append(cell.label)
                continue
            width = int(memory.attributes["word_width"])
            read, write = _accesses(pins, width)
            found.append(
                Macro(
                    cell=cell.label,
                    depth=1 << int(memory.attributes["address_width"]),
                    width=width,
                    area=float(cell.attributes["area"]),
                    read_pj=read,
                    write_pj=write,
                    leakage_mw=_leakage(library, cell),
                    bist="A_BIST_EN" in pins,
                )
            )
    return found, others


def _power(pin: Group, when: str, edge: str) -> float | None:
    groups = [g for part in (pin, *pin.all("pin")) for g in part.all("internal_power")]
    for group in groups:
        if group.attributes.get("when", "").replace(" ", "") == when:
            return numbers(next(group.all(edge)).attributes["values"])[0]
    return None


def _accesses(pins: Mapping[str, Group], width: int) -> tuple[float | None, float | None]:
    """Energy in pJ of the clock in a read and in a write, half of the inputs toggling then."""
    clock = pins["A_CLK"]
    read = _power(clock, "A_MEN&!A_WEN&A_REN", "rise_power")
    write = _power(clock, "A_MEN&A_WEN&!A_REN", "rise_power")
    if read is None or write is None:
        return None, None
    sides = [_power(pins["A_DIN"], "A_MEN", f"{edge}_power") or 0.0 for edge in ("rise", "fall")]
    return read, write + width / 2 * sum(sides) / 2


def _leakage(library: Group, cell: Group) -> float | None:
    unit = library.attributes.get("leakage_power_unit", "1nW").strip('"')
    scale = {"pW": 1e-9, "nW": 1e-6, "uW": 1e-3, "mW": 1.0}.get(unit[-2:])
    states = [float(s.attributes["value"]) for s in cell.all("leakage_power")]
    if "cell_leakage_power" in cell.attributes:
        states = [float(cell.attributes["cell_leakage_power"])]
    return numbers(unit)[0] * scale * max(states) if states and scale else None


def tables() -> tuple[str, ...]:
    """The names of size tables of SRAM: technologies, and energies whose SRAM has an area."""
    areas = [n for n in list_energies() if (t := load_energies(n).sram_table) and
             t.area_mm2(65536, 64) is not None]  # fmt: skip
    return tuple(sorted({*list_technologies(), *areas}))


def table_macros(
    name: str, memories: Sequence[Memory], folder: Path
) -> tuple[list[Macro], Path | None]:
    """Macros made to measure from the size table ``name``, and a Liberty file with their timing.

    Of a technology the table has the timing as well; of energies (CACTI) it has not.  A macro of
    two ports is as large as the table says of its size, whatever the ports of those it was measured
    on.  Raises :class:`InputError` for an unknown name.
    """
    known = tables()
    if name not in known:
        raise unknown(name, "size table of SRAM", known)
    sizes = sorted({(-(-m.depth // PAGES), m.width, False) for m in memories if m.paged} |
                   {(m.depth, m.width, True) for m in memories if m.two_port})  # fmt: skip
    if name in list_technologies():
        technology = load_technology(name)
        macros = [_energised(name, _measured(technology, *size)) for size in sizes]
        file = folder / "sram_table.lib"
        file.write_text(_liberty(macros, technology), encoding="utf-8")
        return macros, file
    energies = load_energies(name)
    macros = []
    for depth, width, two_port in sizes:
        cost = energies.sram(max(1, depth * width // 8), width)
        area = energies.sram_table and energies.sram_table.area_mm2(depth * width // 8, width)
        macros.append(
            Macro(_named(name, depth, width, two_port), depth, width, 1e6 * (area or 0.0),
                  cost.read_pj, cost.write_pj, cost.leakage_mw, bist=False, two_port=two_port)
        )  # fmt: skip
    return macros, None


def _measured(technology: Technology, depth: int, width: int, two_port: bool) -> Macro:
    area = technology.area("memory", max(2, depth), width)
    name = _named(f"{technology.name}_table", depth, width, two_port)
    return Macro(name, depth, width, area, bist=False, two_port=two_port)


def _named(table: str, depth: int, width: int, two_port: bool) -> str:
    return f"{table}_{depth}x{width}{'_two_port' if two_port else ''}"


def _energised(name: str, macro: Macro) -> Macro:
    """With the energies of the technology of the same name, if it has those of SRAM."""
    if name not in list_energies() or load_energies(name).sram_table is None:
        return macro
    try:
        cost = load_energies(name).sram(max(1, macro.depth * macro.width // 8), macro.width)
    except InputError:
        return macro
    return replace(macro, read_pj=cost.read_pj, write_pj=cost.write_pj, leakage_mw=cost.leakage_mw)


def _liberty(macros: Sequence[Macro], technology: Technology) -> str:
    """Area, clock to data and setup of the macros, the same at every slew and load."""
    types, cells = "", ""
    for size in sorted({n for m in macros for n in (m.width, m.address_bits)}):
        types += (
            f"type (b{size}) {{ base_type : array; data_type : bit; bit_width : {size}; "
            f"bit_from : {size - 1}; bit_to : 0; downto : true; }}\n"
        )
    for macro in macros:
        delay = technology.delay("memory", max(2, macro.depth), macro.width)
        inputs = {"A_MEN": 0, "A_WEN": 0, "A_REN": 0, "A_ADDR": macro.address_bits,
                  "A_DIN": macro.width, "A_BM": macro.width}  # fmt: skip
        if macro.two_port:
            inputs["B_ADDR"] = macro.address_bits
        setup = _arc("setup_rising", "constraint", technology.memory_setup)
        pins = "".join(
            (f"bus({pin}) {{ bus_type : b{size};" if size else f"pin({pin}) {{")
            + f" direction : input; capacitance : 0.001;\n{setup}}}\n"
            for pin, size in inputs.items()
        )
        cells += (
            f"cell({macro.cell}) {{ area : {macro.area:.4f};\n"
            f"pin(A_CLK) {{ direction : input; clock : true; capacitance : 0.001; }}\n{pins}"
            f"bus(A_DOUT) {{ bus_type : b{macro.width}; direction : output;\n"
            f"{_arc('rising_edge', 'cell', delay)}}}\n}}\n"
        )
    return (
        'library(sram_table) { delay_model : table_lookup; time_unit : "1ns"; '
        'voltage_unit : "1V"; current_unit : "1mA"; leakage_power_unit : "1mW"; '
        "capacitive_load_unit (1,pf);\nslew_lower_threshold_pct_rise : 20; "
        "slew_upper_threshold_pct_rise : 80; slew_lower_threshold_pct_fall : 20; "
        "slew_upper_threshold_pct_fall : 80;\ninput_threshold_pct_rise : 50; "
        "input_threshold_pct_fall : 50; output_threshold_pct_rise : 50; "
        f"output_threshold_pct_fall : 50;\nnom_voltage : 1.0;\n{types}{cells}}}\n"
    )


def _arc(kind: str, group: str, value: float) -> str:
    names = ("rise_constraint", "fall_constraint") if group == "constraint" else (
        "cell_rise", "cell_fall", "rise_transition", "fall_transition")  # fmt: skip
    tables_ = "".join(
        f'{name}(scalar) {{ values("{0.02 if "transition" in name else value:.5f}"); }}\n'
        for name in names
    )
    return f'timing() {{ related_pin : "A_CLK"; timing_type : {kind};\n{tables_}}}\n'
