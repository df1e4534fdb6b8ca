"""A design on Lattice ECP5: what Yosys makes of it, and where nextpnr puts it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from accelgen.errors import AccelgenError
from accelgen.silicon.hierarchy import ModuleArea, count_instances, module_areas
from accelgen.silicon.synthesis import Source, read_json
from accelgen.silicon.tools import call, nextpnr_command, run_yosys

__all__ = ["DEVICES", "Fpga", "Placed", "map_ecp5", "place"]

DEVICES: Mapping[str, str] = {"25k": "LFE5U-25F", "45k": "LFE5U-45F", "85k": "LFE5U-85F"}
"""nextpnr's names of devices, and Lattice's."""

_USED = {
    "LUT4": ("LUT4",),
    "FF": ("TRELLIS_FF",),
    "DP16KD": ("DP16KD",),
    "TRELLIS_DPR16X4": ("TRELLIS_DPR16X4",),
    "MULT18X18D": ("MULT18X18D",),
    "CCU2C": ("CCU2C",),
}


@dataclass(frozen=True)
class Fpga:
    """What synthesis gives: cells of the flattened design; modules as mapped one by one."""

    cells: Mapping[str, int]
    modules: tuple[ModuleArea, ...]
    memory_bits: int

    @property
    def resources(self) -> dict[str, int]:
        """LUTs (a CCU2C is two), flip-flops, block and distributed RAMs, multipliers."""
        found = {name: sum(self.cells.get(k, 0) for k in kinds) for name, kinds in _USED.items()}
        found["LUT4"] += 2 * found["CCU2C"] + 4 * found["TRELLIS_DPR16X4"]
        return found


@dataclass(frozen=True)
class Placed:
    """What place and route gives: the frequency it reaches, the path that limits it, and the
    resources used of those that are there.
    """

    device: str
    megahertz: float
    target_megahertz: float
    path: tuple[str, ...]
    utilisation: Mapping[str, tuple[int, int]]
    seed: int

    def to_json(self) -> dict[str, object]:
        """All figures."""
        return {
            "device": self.device,
            "frequency_mhz": round(self.megahertz, 3),
            "target_mhz": round(self.target_megahertz, 3),
            "met": self.megahertz >= self.target_megahertz,
            "critical_path": list(self.path),
            "utilisation": {
                name: {"used": used, "available": there}
                for name, (used, there) in self.utilisation.items()
            },
            "seed": self.seed,
        }


def map_ecp5(source: Source, folder: Path) -> Fpga:
    """Synthesise: flattened for the totals (``folder/ecp5.json``), by module for the table."""
    top = source.listing.top
    read = ["read_rtlil source.il"]
    run_yosys([*read, f"synth_ecp5 -top {top} -json ecp5.json", "write_json flat.json"],
              folder, source.listing.name, "ecp5")  # fmt: skip
    flat = read_json(folder / "flat.json")
    _, cells = module_areas(flat, top, {}, frozenset())
    # Modules that are kept apart are mapped alone: a little more in all than flattened.
    run_yosys([*read, f"synth_ecp5 -noflatten -top {top}", "write_json modules.json"],
              folder, source.listing.name, "modules")  # fmt: skip
    netlist = read_json(folder / "modules.json")
    assert count_instances(netlist, top)
    luts = {"LUT4": 1.0, "CCU2C": 2.0, "TRELLIS_DPR16X4": 4.0}
    rows, _ = module_areas(netlist, top, luts, frozenset(("TRELLIS_FF",)))
    bits = sum(memory.bits for memory in source.memories)
    return Fpga(cells, rows, bits)


def place(source: Source, folder: Path, device: str, period: float, seed: int) -> Placed:
    """Place and route ``folder/ecp5.json`` without pads, so that pins are no limit.

    Raises :class:`AccelgenError` when it does not fit.
    """
    command = nextpnr_command()
    assert command is not None
    target = 1000.0 / period
    words = [f"--{device}", "--out-of-context", "--json", "ecp5.json", "--report", "report.json",
             "--freq", f"{target:.3f}", "--seed", str(seed), "--timing-allow-fail", "--quiet",
             "--log", "nextpnr.log"]  # fmt: skip
    try:
        call([*command, *words], folder, source.listing.name)
    except AccelgenError as error:
        log = folder / "nextpnr.log"
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        said = re.findall(r"^ERROR: (.*)$", text, re.MULTILINE) or [error.message]
        larger = [name for name in DEVICES if name > device]
        hint = f"use --device {larger[0]}" if larger else "generate a smaller array"
        raise AccelgenError(
            f"nextpnr cannot place it on {DEVICES[device]}: {said[0]}",
            where=source.listing.name, hint=hint,
        ) from None  # fmt: skip
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    clocks = report["fmax"]
    if not clocks:
        raise AccelgenError("nextpnr found no clock", where=source.listing.name)
    name, limit = min(clocks.items(), key=lambda item: float(item[1]["achieved"]))
    paths = [p["path"] for p in report.get("critical_paths", ()) if name in p["from"]]
    used = {
        kind: (int(u["used"]), int(u["available"])) for kind, u in report["utilization"].items()
    }
    return Placed(
        device=DEVICES[device],
        megahertz=float(limit["achieved"]),
        target_megahertz=target,
        path=_path(paths[0] if paths else []),
        utilisation=MappingProxyType({k: v for k, v in used.items() if v[0]}),
        seed=seed,
    )


def _path(hops: list[Mapping[str, object]]) -> tuple[str, ...]:
    """The named values that a path passes."""
    names: list[str] = []
    for hop in hops:
        if hop.get("type") != "routing":
            continue
        name = re.sub(r"_(TRELLIS_FF|LUT4|CCU2C|PFUMX|L6MUX21|MULT18X18D|DP16KD)_.*$", "",
                      str(hop["net"]))  # fmt: skip
        # What a block RAM gives is the memory's: its pins are no names of the description.
        name = re.sub(r"(\.\d+)*_DO[AB]?\d+$", "", name)
        name = re.sub(r"\[\d+\]$", "", name)
        if not name.startswith("$") and name not in names:
            names.append(name)
    return tuple(names)
