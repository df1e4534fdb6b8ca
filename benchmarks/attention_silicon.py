r"""Area, timing and power of the attention accelerator, by part, on SG13G2 and ASAP7.

    ACCELGEN_PDK=FOLDER python -m benchmarks.attention_silicon [--cases NAME;...] [--no-power] \
        > benchmarks/results/attention_silicon.json

``FOLDER`` is as for ``silicon``.  One array of 16 x 16 cells, int8 tensors, default numerics.
Mapped as ``accelgen synth`` does, module by module; memories are as large as the technology's
table says (on SG13G2 fitted to macros of one port, though these have two), and listed apart.

The mark: softmax and control together at most a fifth of the array.  Counted as softmax are the
lanes with their passes, the masks, what rescales and adds up the totals, and the division; as
control scheduler, sequencer, registers, and what the engine and the top have outside of units.
``with_folding`` is the same with what multiplies queries by the scale of the softmax.

Power is that of the mapped gates while dense row groups of random int8 are computed, in cycles
spread over one row group in the steady state.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.cycles import combined_cycles
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.datapath.topk import SelectorShape
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import Entry, RowGroup, Setting
from accelgen.cosim.attention import AttentionPhase, simulate_attention
from accelgen.cosim.model import build_model
from accelgen.cosim.toolchain import find_toolchain
from accelgen.errors import AccelgenError
from accelgen.manifest import MANIFEST_SCHEMA
from accelgen.rtl.attention.kernel import AttentionKernel
from accelgen.rtl.library import UnitLibrary
from accelgen.silicon.activity import LEAST_SAMPLES, TRACED, Recorded, Run
from accelgen.silicon.report import SiliconReport
from accelgen.silicon.synth import Options, synthesise
from accelgen.silicon.synthesis import ATTENTION
from accelgen.silicon.trace import read_vcd
from accelgen.verilog import top_verilog
from benchmarks.record import Mark, emit, header, progress, table
from benchmarks.silicon import liberty

TOP = "att"
PERIODS = {"sg13g2": 5.0, "asap7": 0.8}
ROWS = 16
MOST = 0.2


def core_of(dim: int, blocks: int = 0) -> Core:
    """The default array for vectors of ``dim``, with a selector of 16 of ``blocks`` if any."""
    n = Numerics(dim, dim, ROWS)
    return Core(n, selector=SelectorShape(blocks, 16, n.score_bits) if blocks else None)


CASES = {
    "dim 64": core_of(64),
    "dim 64, selector": core_of(64, 256),
    "dim 128": core_of(128),
}
POWER = "dim 64"
"""The case whose power is measured."""

PARTS = {
    "array": "array|cell",
    "softmax": "softmax|lane|masks",
    "rescaling": "totals|rescale",
    "division": "normaliser",
    "control": "scheduler|outlet.*|.*_walk|sequencer|registers|engine|",
    "buffers": "tiles_.|scales_.*",
    "folding": "fold|decoder_.*",
    "selector": "selection|insertion_.*|radix_.*|digit_.*",
}
"""Which modules belong to a part, without the memories in them."""

MEMORIES = {
    "memory of queries": r"tiles_q",
    "memories of keys and values": r"tiles_[kv]",
    "memory of totals": "totals",
    "memory of masks": "masks",
    "memory of selection": "selection|radix_.*",
}
"""By the module that they are in."""

COUNTED = ("softmax", "rescaling", "division", "control")


def write_design(core: Core, folder: Path, period: float) -> None:
    """The Verilog and a manifest for ``synthesise``."""
    folder.mkdir()
    library = UnitLibrary(prefix=TOP)
    text = top_verilog(TOP, library, lambda: AttentionKernel(core, library))
    (folder / f"{TOP}.v").write_text(text, encoding="utf-8")
    manifest = {"schema": MANIFEST_SCHEMA, "design": ATTENTION, "name": TOP, "top": TOP,
                "verilog": [f"{TOP}.v"], "period_ns": period}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def areas(report: SiliconReport, verilog: str) -> dict[str, float]:
    """um2 of every part, and of the memories by what they are of."""
    assert report.area is not None
    found = dict.fromkeys((*PARTS, *MEMORIES), 0.0)
    sizes = {}
    for module in report.area.modules:
        name = re.sub(rf"^{TOP}_?", "", module.module)
        if re.fullmatch(r"bank_\d+x\d+", name):
            sizes[name] = module.own
            continue
        part = next(part for part, names in PARTS.items() if re.fullmatch(names, name))
        found[part] += module.own * module.instances
    for body in re.split(r"^(?=module )", verilog, flags=re.M):
        head = re.match(rf"module {TOP}_(\w+)", body)
        banks = re.findall(rf"^  {TOP}_(bank_\d+x\d+) ", body, re.M)
        if head is None or not banks:
            continue
        what = next(what for what, unit in MEMORIES.items() if re.fullmatch(unit, head[1]))
        # Keys and values have buffers alike, and so one module.
        times = len(re.findall(rf"^  {TOP}_{head[1]} ", verilog, re.M))
        found[what] += times * sum(sizes[bank] for bank in banks)
    return {name: round(value, 1) for name, value in found.items()}


def dense(core: Core, groups: int, tiles: int) -> Problem:
    """Row groups that see every key, of random integers."""
    n = core.numerics
    rng = np.random.default_rng(0)
    queries, keys = groups * core.tokens, tiles * n.rows

    def drawn(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return rng.integers(-128, 128, shape)

    # Queries of 13 bits: scores that spread by two to three in base 2.
    setting = Setting(keys=keys, scale=1 << 15, shift=10)
    entries = [Entry(column) for column in range(tiles)]
    return Problem(
        core,
        setting,
        [RowGroup(row, entries=entries) for row in range(groups)],
        drawn(1, core.group, queries, n.head_dim),
        drawn(1, keys, n.head_dim),
        drawn(1, keys, n.value_dim),
    )


def record(core: Core, folder: Path, groups: int = 4, tiles: int = 8) -> Recorded:
    """The design at work, and the cycles of a row group in the steady state."""
    problem = dense(core, groups, tiles)
    verilog = folder / f"{TOP}.v"
    head = re.search(rf"^module {TOP}\((.*?)\);", verilog.read_text(encoding="utf-8"), re.M | re.S)
    assert head is not None
    ports = re.findall(r"\w+", head[1])
    model = build_model(find_toolchain(), [verilog], TOP, ports, "vcd", TRACED)
    waves = folder / "trace.vcd"
    seen = simulate_attention(core, model, [AttentionPhase([problem])], waves=waves)[0]
    if seen.faults:
        raise AccelgenError(f"the simulation went wrong: {seen.faults[0]}", where=TOP)
    busy = combined_cycles([problem]).busy
    cycles = busy // groups
    assert seen.total is not None
    # Well inside: what comes before, and the last rows of results, are as long as a row group.
    first = seen.total // 2
    bounds = {"queries": core.tokens, "keys": tiles * ROWS, "dim": core.numerics.head_dim}
    run = Run("dense", bounds, first, first + cycles, samples=LEAST_SAMPLES)
    return read_vcd(waves, TOP, run.sampled), (run,)


def measure(
    name: str, technology: str, pdk: Path, scratch: Path, *, power: bool
) -> dict[str, object]:
    """A case on a library."""
    core, period = CASES[name], PERIODS[technology]
    folder = scratch / re.sub(r"\W+", "_", f"{name} {technology}")
    write_design(core, folder, period)
    options = Options(
        liberty=liberty(pdk, technology),
        period=period,
        sram=technology,
        power=power,
        recorded=record(core, folder) if power else None,
    )
    report = synthesise(folder, options, lambda s: progress(f"{technology}, {name}: {s}"))
    assert report.timing is not None
    assert report.area is not None
    found = areas(report, (folder / f"{TOP}.v").read_text(encoding="utf-8"))
    counted = sum(found[part] for part in COUNTED)
    return {
        "area_um2": found,
        "logic_um2": round(sum(found[part] for part in PARTS), 1),
        "total_um2": round(report.area.total, 1),
        "ratios": {part: round(found[part] / found["array"], 4) for part in PARTS},
        "softmax_and_control": round(counted / found["array"], 4),
        "with_folding": round((counted + found["folding"]) / found["array"], 4),
        "register_bits": report.area.registers,
        "timing": report.timing.to_json(),
        "notes": list(report.notes),
        "modules": [module.to_json() for module in report.area.modules],
        **({"power": report.power.to_json()} if report.power else {}),
    }


def main() -> int:
    """Print the result; 1 when the mark is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", help="names, semicolon between; default: all")
    parser.add_argument("--libraries", default=";".join(PERIODS), help="default: both")
    parser.add_argument("--no-power", action="store_true", help="area and timing alone")
    asked = parser.parse_args()
    pdk = Path(os.environ.get("ACCELGEN_PDK", "nowhere"))
    if not pdk.is_dir():
        progress("set ACCELGEN_PDK to a folder with sg13g2/ and asap7/")
        return 2
    cases = asked.cases.split(";") if asked.cases else list(CASES)
    result: dict[str, object] = header("attention_silicon")
    marks: list[Mark] = []
    for technology in asked.libraries.split(";"):
        found = {}
        for name in cases:
            with tempfile.TemporaryDirectory() as scratch:
                power = name == POWER and not asked.no_power
                found[name] = measure(name, technology, pdk, Path(scratch), power=power)
            ratio = found[name]["softmax_and_control"]
            assert isinstance(ratio, float)
            marks.append(Mark(f"softmax and control over the array, {name}, {technology}", MOST,
                              ratio, "x"))  # fmt: skip
        result[technology] = found
        rows = [
            [part, *(f"{one['area_um2'].get(part, 0):.0f}" for one in found.values())]  # type: ignore[attr-defined]
            for part in (*PARTS, *MEMORIES)
        ]
        progress(f"{technology}\n{table(['um2', *found], rows)}")
    result["marks"] = [mark.to_json() for mark in marks]
    for mark in marks:
        progress(str(mark))
    emit(result)
    return 0 if all(mark.met for mark in marks) else 1


if __name__ == "__main__":
    sys.exit(main())
