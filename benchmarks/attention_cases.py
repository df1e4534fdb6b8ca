"""Random problems on the Verilog of attention arrays: how many are equal to the model, how busy
full blocks keep the multipliers, and what a tenth of all tiles costs.

    python -m benchmarks.attention_cases > benchmarks/results/attention_cases.json

Results are compared bit for bit, cycles exactly (where ports pause, results alone).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.rows import Entry, RowGroup
from accelgen.attention.array_options import ArrayOptions, core_of
from accelgen.attention.shape import AttentionShape
from accelgen.cosim.attention import AttentionPhase, AttentionSeen, simulate_attention
from accelgen.cosim.attention_draws import Draw, deal, draw_problem
from accelgen.cosim.attention_phases import random_phases
from accelgen.rtl.attention.lists import LIST
from benchmarks.record import Mark, emit, header, progress, table
from tests.attention_rtl.cores import CORES, SMALL, built

UTILISATION = {64: 0.90, 128: 0.93}
"""Least utilisation of full blocks on 32 rows, by the dimensions of heads."""

SPARSE = 1.15
"""Most cycles at a tenth of all tiles, over a tenth of the cycles of all tiles."""


@dataclass(frozen=True)
class Row:
    """An array and its cases: how many were right, and what they took."""

    array: str
    rows: int
    dims: int
    formats: str
    group: int
    query_tiles: int
    arrays: int
    cases: int
    equal: int
    timed: int
    cycles: int
    build_seconds: float
    simulate_seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=16, help="of every array (default 16)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="NAME", help="the arrays whose name contains this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="accelgen-") as name:
        folder = Path(name)
        named = [(k, c) for k, c in (SMALL | CORES).items() if (options.only or "") in k]
        rows, faults = [], []
        for name, core in named:
            row, found = measure(name, core, folder, options.cases, options.seed)
            progress(
                f"{name}: {row.equal} of {row.cases} equal, {row.build_seconds:.0f} s to build"
            )
            rows.append(row)
            faults += found
        used = {dim: utilisation(dim, folder) for dim in UTILISATION}
        density = sparse(folder)
    cases, equal = sum(row.cases for row in rows), sum(row.equal for row in rows)
    marks = [
        Mark("cases that differ", 0, cases - equal, "cases"),
        *(
            Mark(
                f"idle share of full blocks, 32 rows, {dim} dimensions",
                round(1 - least, 4),
                round(1 - used[dim]["utilisation"], 4),
                "",
            )
            for dim, least in UTILISATION.items()
        ),
        Mark("cycles at a tenth over a tenth of the cycles", SPARSE, density["ratio"], ""),
    ]
    heads = ["array", "rows", "dims", "formats", "group", "tiles", "arrays", "cases", "equal"]
    progress(table(heads, [list(asdict(row).values())[: len(heads)] for row in rows]))
    for mark in marks:
        progress(str(mark))
    emit(
        header("attention_cases")
        | {
            "parameters": {"cases": options.cases, "seed": options.seed},
            "cases": cases,
            "equal": equal,
            "faults": faults,
            "arrays": [asdict(row) for row in rows],
            "utilisation": {str(dim): figures for dim, figures in used.items()},
            "sparse": density,
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def measure(name: str, core: Core, folder: Path, count: int, seed: int) -> tuple[Row, list[str]]:
    """Random cases on an array."""
    model = built(core, name, folder)
    phases = random_phases(core, np.random.default_rng(seed), count, name)
    start = time.monotonic()
    seen = simulate_attention(core, model, phases, seed=seed)
    n = core.numerics
    row = Row(
        name,
        n.rows,
        n.head_dim,
        " ".join(dict.fromkeys(core.formats)),
        core.group,
        core.query_tiles,
        core.arrays,
        len(phases),
        sum(not one.faults for one in seen),
        sum(phase.timed for phase in phases),
        sum(one.total or 0 for one in seen),
        round(model.seconds, 1),
        round(time.monotonic() - start, 1),
    )
    faults = [f"{p.name}: {f}" for p, s in zip(phases, seen, strict=True) for f in s.faults]
    return row, faults


def utilisation(dim: int, folder: Path) -> Mapping[str, float]:
    """Of a row group of 32 full tiles on 32 rows, in the Verilog."""
    core = _core(32, dim)
    (seen,) = _simulated(core, f"full_{dim}", folder, [[range(32)]])
    used = seen.predicted.multiplying / seen.busy
    progress(f"32 rows, {dim} dimensions: utilisation {used:.4f}")
    return {
        "utilisation": round(used, 6),
        "busy_cycles": seen.busy,
        "total_cycles": seen.total or 0,
    }


def sparse(folder: Path) -> Mapping[str, float]:
    """16 row groups over 128 tiles on 16 rows: all tiles, and 13 of them drawn for each."""
    rng = np.random.default_rng(1)
    drawn = [sorted(rng.choice(128, 13, replace=False).tolist()) for _ in range(16)]
    every: Sequence[Sequence[int]] = [range(128)] * 16
    dense, tenth = _simulated(_core(16, 64), "density", folder, [every, drawn])
    assert dense.total
    assert tenth.total
    share = 13 / 128
    return {
        "density": round(share, 6),
        "dense_cycles": dense.total,
        "sparse_cycles": tenth.total,
        "ratio": round(tenth.total / (share * dense.total), 4),
    }


def _core(rows: int, dim: int) -> Core:
    formats = dict.fromkeys("qkv", "int8")
    return core_of(AttentionShape(64, 64, 1, 1, dim, dim), formats, ArrayOptions(rows=rows))


def _simulated(
    core: Core, name: str, folder: Path, lists: Sequence[Sequence[Sequence[int]]]
) -> list[AttentionSeen]:
    """A problem per entry of ``lists``, which has the tiles of every row group; all are equal."""
    rng = np.random.default_rng(0)
    model = built(core, name, folder)
    phases = []
    for tiles in lists:
        keys = core.numerics.rows * (1 + max(max(part) for part in tiles))
        problem = draw_problem(core, rng, Draw(len(tiles) * core.tokens, keys, kinds=(LIST,)))
        groups = [
            RowGroup(row, LIST, [Entry(column) for column in part])
            for row, part in enumerate(tiles)
        ]
        phases.append(AttentionPhase(deal(core, replace(problem, groups=groups)), name))
    seen = simulate_attention(core, model, phases)
    for one in seen:
        assert not one.faults, one.faults
    return seen


if __name__ == "__main__":
    raise SystemExit(main())
