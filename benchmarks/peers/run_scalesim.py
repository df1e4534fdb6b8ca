"""SCALE-Sim's cycles of GEMMs; runs in its own virtual environment.

Question: ``dataflow`` (os, ws, is), ``rows``, ``columns``, ``gemms`` as lists of m, n, k.  Answer:
for each GEMM compute cycles, stall cycles and CPU seconds.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

# Scratchpads that hold every operand of a GEMM; the bandwidth is what it takes (CALC), so that
# nothing stalls, and compute cycles are those of the array.
CONFIGURATION = """
[general]
run_name = run
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {columns}
IfmapSramSzkB = 8192
FilterSramSzkB = 8192
OfmapSramSzkB = 8192
IfmapOffset = 0
FilterOffset = 100000000
OfmapOffset = 200000000
ReadRequestBuffer = 64
WriteRequestBuffer = 64
Dataflow = {dataflow}
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = False
"""


def cycles(dataflow: str, rows: int, columns: int, gemm: list[int]) -> dict[str, float]:
    """What SCALE-Sim reports for one GEMM."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        configuration, topology, layout = (folder / x for x in ("c.cfg", "t.csv", "l.csv"))
        configuration.write_text(
            CONFIGURATION.format(dataflow=dataflow, rows=rows, columns=columns)
        )
        sizes = ",".join(map(str, gemm))
        topology.write_text(f"Layer,M,N,K,\ngemm,{sizes},\n")
        layout.write_text("Layer,\n")
        start = time.process_time()
        simulation = import_module("scalesim.scale_sim").scalesim(
            save_disk_space=True,
            verbose=False,
            config=str(configuration),
            topology=str(topology),
            layout=str(layout),
            input_type_gemm=True,
        )
        simulation.run_scale(top_path=str(folder))
        seconds = time.process_time() - start
        with (folder / "run" / "COMPUTE_REPORT.csv").open() as file:
            row = next(csv.DictReader(file, skipinitialspace=True))
    return {
        "cycles": int(row["Total Cycles"]),
        "stalls": int(row["Stall Cycles"]),
        "cpu": round(seconds, 3),
    }


def main() -> None:
    question = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):
        answer = [
            cycles(question["dataflow"], question["rows"], question["columns"], gemm)
            for gemm in question["gemms"]
        ]
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
