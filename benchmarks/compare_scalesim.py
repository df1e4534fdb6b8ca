"""Compute cycles of BERT-base's GEMMs: accelgen's kernels beside SCALE-Sim.

    python -m benchmarks.compare_scalesim [--array 16 --array 128] > RESULT.json

Ours are those of the generated RTL (:func:`accelgen.predict`, which the tests hold to the
simulated Verilog, to the cycle): ``compute_cycles`` and the prologue that loads the first
stationary tile, as SCALE-Sim counts that too.  A layer of attention is one kernel with a loop over
the heads; SCALE-Sim, which has no such loop, runs one head as often.  ``model`` are those of the
mapper for the same dataflow with skew along both axes: no pipeline, no chains.  ``formula`` is the
closed form of SCALE-Sim's cycles, which its report must equal less one.  All operands are on chip.
The exit code is 1 when a layer takes more cycles than there.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path

from accelgen import Workload, load_description, predict
from accelgen.hardware import parse_hardware
from accelgen.mapper import best_mapping, problem_of
from accelgen.networks import load_network
from accelgen.networks.layer import Layer
from benchmarks.peers.environment import add_option, ask, environment
from benchmarks.record import Mark, emit, header, progress, table

# Memories that hold everything and are never waited for.
HARDWARE = """
name: systolic
array: {{i: {size}, j: {size}}}
mac_pj: 1
dataflows: [{dataflow}]
skewed: [i, j]
levels:
  - {{name: buffer, bytes: 1000000000, pj_per_bit: 1}}
  - {{name: memory, pj_per_bit: 1}}
"""

DATAFLOWS = {"os": "gemm_os_systolic", "ws": "gemm_ws_systolic", "is": "gemm_is_systolic"}


@dataclass(frozen=True)
class Row:
    """One GEMM on one array: cycles of both sides, of ``batch`` products (heads).

    ``part`` says that the layer has more heads than this row.
    """

    gemm: str
    dataflow: str
    array: str
    batch: int
    part: bool
    ours: int
    model: int
    scalesim: int
    formula: int
    stalls: int
    ours_cpu: float
    scalesim_cpu: float

    def to_json(self) -> dict[str, object]:
        """All fields, and ours over theirs."""
        return {**asdict(self), "ratio": round(self.ours / self.scalesim, 4)}


@dataclass(frozen=True)
class Gemm:
    """``batch`` products of m x k by k x n."""

    name: str
    batch: int
    m: int
    n: int
    k: int

    def workload(self) -> Workload:
        """All products, with loop h over them if there are several."""
        bounds, types = {"m": self.m, "n": self.n, "k": self.k}, {"A": "int8", "B": "int8"}
        if self.batch == 1:
            return Workload("Y[m,n] += A[m,k] * B[k,n]", bounds, types)
        bounds["h"] = self.batch
        return Workload("Y[h,m,n] += A[h,m,k] * B[h,k,n]", bounds, types)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--array", type=int, action="append", help="rows and columns (16 and 128)")
    add_option(parser, "scalesim")
    options = parser.parse_args()
    result = header("compare_scalesim")
    python = environment("scalesim", options.venv)
    gemms = bert_gemms()
    rows = [
        row
        for size in options.array or (16, 128)
        for dataflow in DATAFLOWS
        for row in compare(python, dataflow, size, gemms)
    ]
    marks = [
        Mark(f"{row.gemm}, {row.dataflow} on {row.array}, {what}", row.scalesim, cycles, "cycles")
        for row in rows
        if not row.part
        for what, cycles in (("kernel", row.ours), ("model", row.model))
    ]
    marks.append(Mark("reports other than the closed form less one", 0, off(rows), "reports"))
    columns = (
        "gemm",
        "dataflow",
        "array",
        "ours",
        "model",
        "scalesim",
        "ratio",
        "ours_cpu",
        "scalesim_cpu",
    )
    shown = [row.to_json() for row in rows]
    progress(table(columns, [[row[column] for column in columns] for row in shown]))
    for mark in marks:
        progress(str(mark))
    emit({**result, "rows": shown, "marks": [mark.to_json() for mark in marks]})
    return 0 if all(mark.met for mark in marks) else 1


def bert_gemms() -> list[Gemm]:
    """The distinct GEMMs of BERT-base at its default sequence length, under their first names."""
    found: dict[tuple[int, ...], Gemm] = {}
    for layer in load_network("bert_base").layers:
        if isinstance(layer, Layer):
            gemm = gemm_of(layer)
            found.setdefault((gemm.batch, gemm.m, gemm.n, gemm.k), gemm)
    return list(found.values())


def gemm_of(layer: Layer) -> Gemm:
    """The loops of a layer by the tensors they move."""
    workload = layer.workload
    first, second, output = (
        {loop for row in access.matrix for loop, c in zip(workload.loops, row, strict=True) if c}
        for access in workload.accesses
    )
    sizes = workload.domain
    return Gemm(
        layer.name,
        prod(sizes[x] for x in first & second & output),
        prod(sizes[x] for x in (first & output) - second),
        prod(sizes[x] for x in (second & output) - first),
        prod(sizes[x] for x in (first & second) - output),
    )


def compare(python: Path, dataflow: str, size: int, gemms: list[Gemm]) -> list[Row]:
    """A row for every GEMM, and for every single head where a GEMM has several."""
    question = {
        "dataflow": dataflow,
        "rows": size,
        "columns": size,
        "gemms": [[gemm.m, gemm.n, gemm.k] for gemm in gemms],
    }
    answers, _ = ask(python, "run_scalesim.py", question)
    rows = []
    for gemm, answer in zip(gemms, answers, strict=True):
        for batch in dict.fromkeys((gemm.batch, 1)):
            start = time.process_time()
            ours = kernel_cycles(dataflow, size, replace(gemm, batch=batch))
            seconds = time.process_time() - start
            rows.append(
                Row(
                    gemm=f"{gemm.name} {batch} x ({gemm.m} x {gemm.k} x {gemm.n})",
                    dataflow=dataflow,
                    array=f"{size} x {size}",
                    batch=batch,
                    part=batch != gemm.batch,
                    ours=ours,
                    model=model_cycles(dataflow, size, replace(gemm, batch=batch)),
                    scalesim=batch * answer["cycles"],
                    formula=batch * formula(dataflow, size, gemm),
                    stalls=answer["stalls"],
                    ours_cpu=round(seconds, 3),
                    scalesim_cpu=answer["cpu"],
                )
            )
            progress(f"{rows[-1].gemm} {dataflow} {size}: {ours}, SCALE-Sim {rows[-1].scalesim}")
    return rows


def kernel_cycles(dataflow: str, size: int, gemm: Gemm) -> int:
    """Compute cycles and prologue of the generated kernel."""
    base = load_description(DATAFLOWS[dataflow])
    flow = replace(base.dataflow, space={"i": size, "j": size})
    if gemm.batch > 1:
        flow = replace(flow, time=("h", *flow.time))
    found = predict(replace(base, workload=gemm.workload(), dataflow=flow))
    return found.prologue + found.compute_cycles


def model_cycles(dataflow: str, size: int, gemm: Gemm) -> int:
    """Compute cycles of the mapper's fastest mapping that has the dataflow."""
    hardware = parse_hardware(HARDWARE.format(size=size, dataflow=DATAFLOWS[dataflow]))
    return best_mapping(problem_of(gemm.workload()), hardware, "latency").cost.compute_cycles


def formula(dataflow: str, size: int, gemm: Gemm) -> int:
    """SCALE-Sim 3's closed form for one head: folds, times cycles of a fold with its fill."""
    m, n, k = gemm.m, gemm.n, gemm.k
    if dataflow == "os":
        return -(-m // size) * -(-n // size) * (k + 2 * size - 2)
    across, along = (n, m) if dataflow == "ws" else (m, n)
    return -(-k // size) * -(-across // size) * (along + 3 * size - 2)


def off(rows: list[Row]) -> int:
    """Reports that are not the closed form less one, or have stalls."""
    return sum(row.scalesim != row.formula - row.batch or row.stalls != 0 for row in rows)


if __name__ == "__main__":
    sys.exit(main())
