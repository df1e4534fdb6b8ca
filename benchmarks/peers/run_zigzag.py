"""ZigZag's best mappings of a GEMM; runs in its own virtual environment.

Question: ``gemm`` as m, k, n, ``extent`` of the array along both axes, ``sram_bytes``,
``sram_pj_per_bit``, ``dram_bytes_per_cycle``, ``dram_pj_per_bit``, ``mac_pj``, ``spatial`` (pairs
of loops to unroll), ``kinds`` (even, uneven), ``factors`` (into how many loops LOMA splits at
most).  Answer: the best EDP for each pair and kind, with the mapping, evaluations, CPU seconds.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

WIDE = 1 << 14
"""Bits per cycle of ports that are to be no bottleneck."""

OPERANDS = {"A": "I1", "B": "I2", "Y": "O"}
"""ZigZag's names of the operands, by ours."""


def main() -> None:
    question = json.load(sys.stdin)
    with redirect_stdout(sys.stderr), TemporaryDirectory() as folder:
        counter = Counter()
        answer = [
            best(question, spatial, kind, Path(folder), counter)
            for spatial in question["spatial"]
            for kind in question["kinds"]
        ]
    print(json.dumps(answer))


class Counter:
    """Counts the evaluations of ZigZag's cost model, and their CPU seconds."""

    def __init__(self) -> None:
        stage: Any = import_module("zigzag.stages.evaluation.cost_model_evaluation")
        self.model, self.evaluations, self.seconds = stage.CostModelEvaluation, 0, 0.0
        stage.CostModelEvaluation = self.evaluate

    def evaluate(self, **of: object) -> object:
        """One evaluation."""
        start = time.process_time()
        found = self.model(**of)
        self.seconds += time.process_time() - start
        self.evaluations += 1
        return found


def best(
    question: dict[str, Any], spatial: str, kind: str, folder: Path, counter: Counter
) -> dict[str, Any]:
    """The mapping of least EDP that ZigZag finds."""
    m, k, n = question["gemm"]
    workload = {
        "id": 0,
        "name": "gemm",
        "operator_type": "Gemm",
        "equation": "O[m][n]+=I[m][k]*W[k][n]",
        "loop_dims": ["M", "N", "K"],
        "loop_sizes": [m, n, k],
        "operand_precision": {"I": 8, "W": 8, "O": 8, "O_final": 8},
    }
    unrolled = {f"D{d}": [f"{x}, {question['extent']}"] for d, x in enumerate(spatial.upper(), 1)}
    mapping = {
        "name": "default",
        "spatial_mapping": unrolled,
        "memory_operand_links": {"I": "I1", "W": "I2", "O": "O"},
    }
    files = {"w.yaml": [workload], "a.yaml": accelerator(question), "m.yaml": [mapping]}
    for name, content in files.items():
        # Flow style of YAML: JSON.  The order of the memories matters.
        (folder / name).write_text(json.dumps(content))
    logging.disable(logging.CRITICAL)
    counter.evaluations, counter.seconds = 0, 0.0
    start = time.process_time()
    energy, latency, found = import_module("zigzag.api").get_hardware_performance_zigzag(
        *(str(folder / name) for name in files),
        opt="EDP",
        dump_folder=str(folder / "out"),
        temporal_mapping_type=kind,
        lpf_limit=question["factors"],
        loma_show_progress_bar=False,
    )
    seconds = time.process_time() - start
    evaluation = found[0][1][0][0]
    loops, levels = temporal(evaluation.temporal_mapping.mapping_dic_origin)
    energies = {str(x): y for x, y in evaluation.mem_energy_breakdown.items()}
    return {
        "spatial": spatial,
        "kind": kind,
        "cycles": latency,
        "compute_cycles": evaluation.ideal_temporal_cycle,
        "stalls": evaluation.stall_slack_comb,
        "first_load": evaluation.data_onloading_cycle,
        "last_store": evaluation.data_offloading_cycle,
        "energy_pj": {
            "mac": evaluation.mac_energy,
            "sram": sum(levels_of[1] for levels_of in energies.values()),
            "dram": sum(levels_of[2] for levels_of in energies.values()),
        },
        "edp": energy * latency,
        "loops": loops,
        "levels": levels,
        "evaluations": counter.evaluations,
        "cpu": round(seconds, 3),
        "model_cpu": round(counter.seconds, 3),
    }


def temporal(
    mapping: dict[object, list[list[tuple[object, int]]]],
) -> tuple[list[tuple[str, int]], dict[str, list[int]]]:
    """All temporal loops, innermost first, and how many of them each operand's levels hold.

    The levels are its register, and the SRAM with the register.
    """
    names = {"I": "A", "W": "B", "O": "Y"}
    loops: list[tuple[str, int]] = []
    levels = {}
    for operand, per_level in mapping.items():
        flat = [(str(loop).lower(), int(size)) for level in per_level for loop, size in level]
        assert not loops or flat == loops, "operands with different orders"
        loops = flat
        levels[names[str(operand)]] = [
            len(per_level[0]),
            len(per_level[0]) + len(per_level[1]),
        ]
    return loops, levels


def accelerator(question: dict[str, Any]) -> dict[str, Any]:
    """Registers, one SRAM and DRAM.

    Every unit has a register of one element per operand that costs nothing; the SRAM is for all
    operands, with two buffers of each tile; DRAM is behind one port.
    """
    registers = {f"reg_{x}": register(x) for x in OPERANDS.values()}
    sram = {
        "size": 8 * question["sram_bytes"],
        "r_cost": WIDE * question["sram_pj_per_bit"],
        "w_cost": WIDE * question["sram_pj_per_bit"],
        "area": 0.0,
        "latency": 1,
        "operands": list(OPERANDS.values()),
        "ports": [
            port(f"{'w' if way[0] == 'f' else 'r'}_port_{number}", WIDE, [f"{x}, {way}"])
            for number, (x, way) in enumerate(
                ((x, way) for x in OPERANDS.values() for way in ways(x)), 1
            )
        ],
        "served_dimensions": ["D1", "D2"],
        "force_double_buffering": True,
    }
    width = round(8 * question["dram_bytes_per_cycle"])
    everything = [f"{x}, {way}" for x in OPERANDS.values() for way in ways(x)]
    dram = {
        "size": 10**12,
        "r_cost": width * question["dram_pj_per_bit"],
        "w_cost": width * question["dram_pj_per_bit"],
        "area": 0.0,
        "latency": 1,
        "operands": list(OPERANDS.values()),
        "ports": [port("rw_port_1", width, everything)],
        "served_dimensions": ["D1", "D2"],
    }
    return {
        "name": "array",
        "memories": {**registers, "sram": sram, "dram": dram},
        "operational_array": {
            "input_precision": [8, 8],
            "unit_energy": question["mac_pj"],
            "unit_area": 1.0,
            "dimensions": ["D1", "D2"],
            "sizes": [question["extent"], question["extent"]],
        },
    }


def register(operand: str) -> dict[str, Any]:
    """One element of 8 bits in every unit."""
    return {
        "size": 8,
        "r_cost": 0.0,
        "w_cost": 0.0,
        "area": 0.0,
        "latency": 1,
        "operands": [operand],
        "ports": [
            port(f"{'w' if way[0] == 'f' else 'r'}_port_{number}", 64, [f"{operand}, {way}"])
            for number, way in enumerate(ways(operand), 1)
        ],
        "served_dimensions": [],
    }


def ways(operand: str) -> tuple[str, ...]:
    """From and to the level above and below; only outputs come back."""
    return ("fh", "tl", "fl", "th") if operand == "O" else ("fh", "tl")


def port(name: str, bits: int, allocation: list[str]) -> dict[str, Any]:
    """A port that moves ``bits`` per cycle at most, in bytes."""
    kind = {"r": "read", "w": "write", "rw": "read_write"}[name.split("_")[0]]
    return {
        "name": name,
        "type": kind,
        "bandwidth_min": 8,
        "bandwidth_max": bits,
        "allocation": allocation,
    }


if __name__ == "__main__":
    main()
