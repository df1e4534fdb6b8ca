"""From a design folder to cells: elaborate, map memories, map logic, count."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelgen.manifest import Listing, read_manifest
from accelgen.silicon.fanout import buffer_fanout
from accelgen.silicon.hierarchy import Json, ModuleArea, count_instances, module_areas, modules_of
from accelgen.silicon.liberty import Cells
from accelgen.silicon.libraries import CellLibrary
from accelgen.silicon.mapping import BOOTH, GENERIC_PASSES, map_passes, write_abc_files
from accelgen.silicon.memories import PAGES, Macro, Memory, Tiling, find_memories, stub, techmap
from accelgen.silicon.tools import run_yosys

__all__ = [
    "ATTENTION",
    "Area",
    "Source",
    "elaborate",
    "generic_area",
    "library_area",
    "map_design",
    "read_json",
]

ATTENTION = "attention"
"""As in ``accelgen.attention.accelerator.manifest``, whose import would bring the generator."""


@dataclass(frozen=True)
class Source:
    """A design folder, elaborated: its listing, manifest values, netlist of words, memories."""

    directory: Path
    listing: Listing
    values: Mapping[str, object]
    netlist: Json
    memories: tuple[Memory, ...]

    @property
    def clock(self) -> str:
        """The clock port."""
        ports = self.values.get("ports")
        clock = ports.get("clock") if isinstance(ports, dict) else None
        return clock if isinstance(clock, str) else "clk"

    @property
    def reset(self) -> str:
        """The reset port."""
        ports = self.values.get("ports")
        reset = ports.get("reset") if isinstance(ports, dict) else None
        return reset if isinstance(reset, str) else "rst"

    @property
    def period(self) -> float | None:
        """The period in ns that the design was made for."""
        period = self.values.get("period_ns")
        return float(period) if isinstance(period, int | float) else None

    @property
    def gated(self) -> bool:
        """Whether registers may have gated clocks: unless that pass was left out."""
        without = self.values.get("without")
        return not (isinstance(without, list) and "gating" in without)


@dataclass(frozen=True)
class Area:
    """What a design occupies: by module, the largest first, and cells by kind.

    ``unit`` is ``um2`` or ``GE`` (gate equivalents).  ``logic`` is without ``macros``.
    """

    unit: str
    modules: tuple[ModuleArea, ...]
    cells: Mapping[str, int]
    macros: float
    registers: int
    register_area: float
    memory_bits: int
    macro_bits: int

    @property
    def total(self) -> float:
        """Of the whole design."""
        return self.modules[0].total if self.modules else 0.0

    def to_json(self) -> dict[str, object]:
        """All figures."""
        return {
            "unit": self.unit,
            "total": round(self.total, 4),
            "logic": round(self.total - self.macros, 4),
            "memory_macros": round(self.macros, 4),
            "registers": round(self.register_area, 4),
            "register_bits": self.registers,
            "memory_bits": self.memory_bits,
            "memory_bits_in_macros": self.macro_bits,
            "modules": [module.to_json() for module in self.modules],
        }


def elaborate(directory: Path, folder: Path) -> Source:
    """Read the design in ``directory``; intermediate files go to ``folder``.

    Raises :class:`InputError` when there is no usable manifest, :class:`AccelgenError` when Yosys
    rejects the Verilog.
    """
    listing = Listing.read(directory)
    values = read_manifest(directory, lambda data: data)
    assert isinstance(values, dict)
    script = [
        *(f'read_verilog "{(directory / name).resolve()}"' for name in listing.verilog),
        f"hierarchy -check -top {listing.top}",
        "proc",
        "opt",
        "memory -nomap",
        "opt_clean",
        "write_rtlil source.il",
        "write_json source.json",
    ]
    run_yosys(script, folder, listing.name, "elaborate")
    netlist = read_json(folder / "source.json")
    if names := _plain_names(modules_of(netlist)):
        # OpenSTA does not read the names that Yosys gives to modules with parameters.
        text = (folder / "source.il").read_text(encoding="utf-8")
        for name, plain in names.items():
            text = re.sub(rf"(?<=\s)\\?{re.escape(name)}(?=\s)", rf"\\{plain}", text)
        (folder / "source.il").write_text(text, encoding="utf-8")
        script = ["read_rtlil source.il", "write_json source.json"]
        run_yosys(script, folder, listing.name, "rename")
        netlist = read_json(folder / "source.json")
    counts = count_instances(netlist, listing.top)
    two_port = listing.design == ATTENTION
    memories = find_memories(netlist, counts, _pages(values), two_port=two_port)
    return Source(directory, listing, values, netlist, tuple(memories))


def _plain_names(modules: Iterable[str]) -> dict[str, str]:
    """Identifiers for modules with parameters: ``bank_WIDTH64_BITS6``."""
    found: dict[str, str] = {}
    for name in modules:
        if re.fullmatch(r"\w+", name):
            continue
        # $paramod\\bank\\WIDTH=32'0100, or $paramod$<hash>\\bank where that is long.
        rest = name.partition("\\")[2] or name
        base, *values = rest.split("\\")
        texts = [re.sub(r"=s?\d+'([01]+)", lambda m: str(int(m[1], 2)), v) for v in values]
        plain = re.sub(r"\W+", "_", "_".join([base or "module", *texts]))
        while plain in found.values() or plain in modules:
            plain += "_"
        found[name] = plain
    return found


def _pages(values: Mapping[str, object]) -> list[tuple[int, int]]:
    """Words, of both pages, and bits of the double buffers that the manifest lists."""
    listed = values.get("memories")
    groups = listed.values() if isinstance(listed, dict) else []
    # One kind for every tensor where bounds are registers, else several.
    kinds = [kind for group in groups for kind in ([group] if isinstance(group, dict) else group)]
    return [(k["words"] * PAGES, k["bits"]) for k in kinds if k.get("pages") == PAGES]


def map_design(
    source: Source,
    folder: Path,
    library: CellLibrary,
    cells: Cells,
    liberty: Sequence[str],
    tilings: Sequence[Tiling],
    macros: Sequence[Macro],
    *,
    target_ps: int,
) -> Json:
    """Map the design to cells, its memories of ``tilings`` to macros: ``folder/mapped.v``; returns
    the netlist.

    Registers with an enable get gated clocks, unless the design was made without gating.
    """
    files = write_abc_files(library, target_ps, folder)
    script = ["read_rtlil source.il"]
    if tilings:
        (folder / "stubs.v").write_text("".join(stub(m) for m in macros), encoding="utf-8")
        (folder / "sram.v").write_text(techmap(tilings), encoding="utf-8")
        script += ["read_verilog -lib stubs.v", "techmap -autoproc -map sram.v"]
        script += ["write_verilog -noattr with_macros.v"]
    top = source.listing.top
    script += [
        f"hierarchy -check -top {top}",
        *map_passes(library, liberty, top, files, target_ps=target_ps, flatten=False,
                    option=BOOTH, gated=source.gated),
        "write_json mapped.json",
        "write_verilog -noattr -noexpr mapped.v",
    ]  # fmt: skip
    run_yosys(script, folder, source.listing.name, "map")
    if library.buffer is not None:
        netlist = json.loads((folder / "mapped.json").read_text(encoding="utf-8"))
        if buffer_fanout(netlist, cells, library.buffer):
            (folder / "mapped.json").write_text(json.dumps(netlist), encoding="utf-8")
            script = ["read_json mapped.json", f"hierarchy -top {top}"]
            script += ["write_verilog -noattr -noexpr mapped.v"]
            run_yosys(script, folder, source.listing.name, "buffer")
    text = (folder / "mapped.v").read_text(encoding="utf-8")
    # OpenSTA knows no signed nets.
    text = re.sub(r"^(  (?:input|output|wire)) signed ", r"\1 ", text, flags=re.MULTILINE)
    (folder / "mapped.v").write_text(text, encoding="utf-8")
    return read_json(folder / "mapped.json")


def library_area(source: Source, netlist: Json, cells: Cells, tilings: Sequence[Tiling]) -> Area:
    """The area of a mapped design in um2."""
    sizes = {tiling.macro.cell: tiling.macro.area for tiling in tilings}
    areas, registers = cells.areas()
    rows, kinds = module_areas(netlist, source.listing.top, {**areas, **sizes}, registers)
    macros = sum(count * sizes.get(kind, 0.0) for kind, count in kinds.items())
    flops = sum(count * areas[kind] for kind, count in kinds.items() if kind in registers)
    held = sum(t.memory.bits for t in tilings)
    bits = sum(memory.bits for memory in source.memories)
    return Area("um2", rows, kinds, macros, rows[0].registers, flops, bits, held)


# Transistors in static CMOS over the four of a NAND gate.
_EQUIVALENTS = {
    "$_NOT_": 0.5, "$_AND_": 1.5, "$_NAND_": 1.0, "$_OR_": 1.5, "$_NOR_": 1.0, "$_XOR_": 2.5,
    "$_XNOR_": 2.5, "$_MUX_": 2.5, "$_ANDNOT_": 1.5, "$_ORNOT_": 1.5,
}  # fmt: skip
_FLIP_FLOP, _ENABLE, _SYNCHRONOUS = 6.0, 2.5, 1.5


def generic_area(source: Source, folder: Path) -> Area:
    """The design in two-input gates and flip-flops, in gate equivalents."""
    top = source.listing.top
    script = ["read_rtlil source.il", *(line.format(top=top) for line in GENERIC_PASSES),
              "write_json mapped.json"]  # fmt: skip
    run_yosys(script, folder, source.listing.name, "map")
    netlist = read_json(folder / "mapped.json")
    kinds = {str(item["type"]) for module in _all(netlist) for item in module.values()}
    flops = {kind for kind in kinds if "DFF" in kind}
    areas = _EQUIVALENTS | {kind: _flip_flop(kind) for kind in flops}
    rows, counts = module_areas(netlist, top, areas, frozenset(flops))
    inside = sum(areas[kind] * count for kind, count in counts.items() if kind in flops)
    bits = sum(memory.bits for memory in source.memories)
    return Area("GE", rows, counts, 0.0, rows[0].registers, inside, bits, 0)


def _flip_flop(kind: str) -> float:
    """Of a flip-flop by its name: with an enable a multiplexer more, with a reset a gate more."""
    enable = _ENABLE if "DFFE_" in kind or "DFFCE_" in kind else 0.0
    reset = _SYNCHRONOUS if kind.startswith(("$_SDFF", "$_ADFF")) else 0.0
    return _FLIP_FLOP + enable + reset


def _all(netlist: Json) -> list[Mapping[str, Json]]:
    modules = netlist["modules"]
    assert isinstance(modules, dict)
    return [module["cells"] for module in modules.values()]


def read_json(path: Path) -> Json:
    """JSON that Yosys wrote."""
    values = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(values, dict)
    return values
