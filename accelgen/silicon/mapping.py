"""Yosys' way from Verilog to cells of a library; measured primitives and whole designs take it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from accelgen.silicon.libraries import CellLibrary

__all__ = ["ABC_SCRIPT", "BOOTH", "GENERIC_PASSES", "clock_script", "map_passes", "write_abc_files"]

ABC_SCRIPT = """\
strash
dch -f
map -B 0.9 -D {target}
topo
buffer -c -N 4
upsize -c -D {target}
dnsize -c -D {target}
"""

GATED = 4
"""Flip-flops from which a cell that gates their clock is smaller than their multiplexers."""

BOOTH = "-booth"
"""Multipliers of radix 4.  Beside Yosys' own of carry-save rows an array of 8 x 8 int8 units is 9 %
smaller with them on SG13G2, and 8 % on ASAP7, at the same period.
"""

PREFIX_ADDERS = "-extra-map +/choices/han-carlson.v"

GENERIC_PASSES = (
    "synth -top {top} -noabc",
    "rename -wire -suffix _reg t:$_*DFF*",
    "abc -g AND,NAND,OR,NOR,XOR,XNOR,MUX",
    "opt_clean -purge",
)
"""To two-input gates, the hierarchy kept."""


def write_abc_files(library: CellLibrary, target_ps: int, folder: Path) -> tuple[Path, Path]:
    """ABC's constraints and its script, which asks for ``target_ps``, in ``folder``."""
    constraint, script = folder / "abc.constr", folder / f"abc_{target_ps}.script"
    constraint.write_text(
        f"set_driving_cell {library.driver}\nset_load {library.load_ff}\n", encoding="utf-8"
    )
    script.write_text(ABC_SCRIPT.format(target=target_ps), encoding="utf-8")
    return constraint, script


def map_passes(
    library: CellLibrary,
    liberty: Sequence[str],
    top: str,
    files: tuple[Path, Path],
    *,
    target_ps: int,
    flatten: bool,
    option: str = "",
    gated: bool = False,
    statistics: str | None = None,
) -> list[str]:
    """Passes from what was read to cells: prefix adders, timing-driven ABC, buffers and sizes.

    With ``gated``, ``GATED`` flip-flops or more with one enable get a gated clock.  ``option`` is
    one more of Yosys' ``synth`` (:data:`BOOTH`), ``files`` are those of :func:`write_abc_files`,
    ``statistics`` a file for what the cells occupy before constants are tied.  A hierarchy that is
    kept keeps the names of its registers: ``sum[3]_reg``.
    """
    read = " ".join(f"-liberty {path}" for path in liberty)
    avoid = " ".join(f"-dont_use {cell}" for cell in library.dont_use)
    constraint, script = files
    gated = gated and library.clock_gate is not None
    synth = " ".join(filter(None, ["synth", "-flatten" if flatten else "", f"-top {top} -noabc",
                                   option, PREFIX_ADDERS]))  # fmt: skip
    return [
        synth,
        *(() if flatten else ("rename -wire -suffix _reg t:$_*DFF*",)),
        *([f"clockgate {library.clock_gate} -min_net_size {GATED}"] if gated else []),
        f"dfflibmap {read} {avoid}",
        f"abc {read} {avoid} -D {target_ps} -constr {constraint} -script {script}",
        "setundef -zero",
        "splitnets",
        "opt_clean -purge",
        *([f"tee -o {statistics} stat {read}"] if statistics else []),
        f"hilomap -singleton -hicell {library.tie_high} -locell {library.tie_low}",
        "opt_clean -purge",
    ]


def clock_script(
    library: CellLibrary,
    liberty: Sequence[str],
    netlist: str,
    top: str,
    period: float,
    clock: str = "clk",
) -> list[str]:
    """OpenSTA's commands up to the clock of ``period`` ns."""  # fmt: skip
    return [
        *(f"read_liberty {path}" for path in liberty),
        f"read_verilog {netlist}",
        f"link_design {top}",
        *([f"set_wire_load_model -name {library.wire_load}"] if library.wire_load else []),
        "set_cmd_units -time ns -capacitance pF",
        f"create_clock -name {clock} -period {period} {clock}",
    ]
