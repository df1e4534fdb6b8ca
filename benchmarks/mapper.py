"""Time to the best mapping with its proof, and the figures of three GEMMs and of networks.

    python -m benchmarks.mapper [--networks NAME,...] > RESULT.json

The GEMMs are 512 x 512 x 512, 1 x 4096 x 4096 and 128 x 768 x 3072 (m x k x n) of int8 with outputs
of 8 bits, least EDP, on ``array16_64k`` and ``array16_256k``.  Networks run on ``array16_256k``.
Times are seconds of CPU of this process once the mapper is compiled (``compiling`` says how long
that or reading it took); ``covered`` counts the mappings of the space, all of which the optimum is
proven against, ``covered_per_second`` those per second of CPU.  ``uneven`` is the same with tensors
held of two boxes.  ``exhaustive`` is the first GEMM with every mapping evaluated exactly, one by
one and with no bound: the same optimum, and ``evaluated_per_second``.  The exit code is 1 when a
mark is missed.
"""

from __future__ import annotations

import argparse
import sys
import time

from accelgen.affine import Workload
from accelgen.hardware import load_hardware
from accelgen.mapper import Constraints, Problem, best_mapping, problem_of
from accelgen.networks import list_networks, load_network
from accelgen.simulation import simulate
from benchmarks.record import Mark, emit, header, progress, table

GEMMS = ((512, 512, 512), (1, 4096, 4096), (128, 768, 3072))
HARDWARE = ("array16_64k", "array16_256k")
GEMM_SECONDS, NETWORK_SECONDS = 0.5, {"resnet50": 10.0}
OTHER_SECONDS = 30.0
EVALUATIONS = 1_000_000
EVEN = Constraints()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", help="names, separated by commas (all shipped)")
    options = parser.parse_args()
    result = header("mapper")
    start = time.process_time()
    gemm(HARDWARE[0], 3, 4, 5)
    exhaustive(HARDWARE[0], 3, 4, 5)
    result["compiling"] = round(time.process_time() - start, 1)
    marks = []
    gemms, uneven = [], []
    for hardware in HARDWARE:
        for m, k, n in GEMMS:
            row, seconds = gemm(hardware, m, k, n)
            gemms.append(row)
            name = f"{m} x {k} x {n} on {hardware}"
            marks.append(Mark(f"optimum with proof, {name}", GEMM_SECONDS, seconds, "s"))
            row, seconds = gemm(hardware, m, k, n, Constraints(uneven=True))
            uneven.append(row)
            marks.append(Mark(f"uneven, with proof, {name}", GEMM_SECONDS, seconds, "s"))
    every = exhaustive(HARDWARE[0], *GEMMS[0])
    microseconds = 1e6 / float(str(every["evaluated_per_second"]))
    marks.append(Mark("evaluation of a mapping", 1e6 / EVALUATIONS, round(microseconds, 3), "us"))
    networks = []
    for name in (options.networks or ",".join(list_networks())).split(","):
        row, seconds = network(name)
        networks.append(row)
        progress(f"{name}: {row['cpu']} s, {row['cycles']:.0f} cycles")
        limit = NETWORK_SECONDS.get(name, OTHER_SECONDS)
        marks.append(Mark(f"whole network, {name}", limit, seconds, "s"))
    columns = ("hardware", "gemm", "cpu", "cycles", "mac_uj", "sram_uj", "dram_uj", "edp")
    rows = [[row[column] for column in columns] for row in (*gemms, *uneven)]
    progress(table(columns, rows))
    for mark in marks:
        progress(str(mark))
    emit(
        {
            **result,
            "gemms": gemms,
            "uneven": uneven,
            "exhaustive": every,
            "networks": networks,
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def problem_for(m: int, k: int, n: int) -> Problem:
    """A GEMM of int8 with outputs of 8 bits."""
    workload = Workload("Y[m,n] += A[m,k] * B[k,n]", {"m": m, "n": n, "k": k})
    return problem_of(workload, output_bits=8, partial_bits=8)


def exhaustive(name: str, m: int, k: int, n: int) -> dict[str, object]:
    """Every mapping of one GEMM, evaluated."""
    problem, hardware = problem_for(m, k, n), load_hardware(name)
    start = time.process_time()
    found = best_mapping(problem, hardware, exhaustive=True)
    seconds = time.process_time() - start
    assert found.cost.edp == best_mapping(problem, hardware).cost.edp
    proof = found.certificate
    return {
        "hardware": name,
        "gemm": f"{m} x {k} x {n}",
        "cpu": round(seconds, 3),
        "covered": proof.covered,
        "evaluated": proof.evaluated,
        "evaluated_per_second": round(proof.evaluated / seconds),
    }


def gemm(
    hardware: str, m: int, k: int, n: int, constraints: Constraints = EVEN
) -> tuple[dict[str, object], float]:
    """The best mapping of one GEMM, and the seconds it took to find it."""
    problem = problem_for(m, k, n)
    start = time.process_time()
    found = best_mapping(problem, load_hardware(hardware), constraints=constraints)
    seconds = time.process_time() - start
    proof, energy = found.certificate, found.cost.energy_pj
    row = {
        "hardware": hardware,
        "gemm": f"{m} x {k} x {n}",
        "cpu": round(seconds, 4),
        "covered": proof.covered,
        "evaluated": proof.evaluated,
        "bounds": proof.bounds,
        "covered_per_second": round(proof.covered / seconds),
        "cycles": found.cost.cycles,
        **{f"{level}_uj": round(energy[level] / 1e6, 3) for level in energy},
        "edp": f"{found.cost.edp:.5g}",
        "mapping": found.mapping.nest(problem, ["sram", "dram"]).splitlines(),
    }
    return row, seconds


def network(name: str) -> tuple[dict[str, object], float]:
    """A whole network, every distinct layer solved once, and the seconds that took."""
    loaded, hardware = load_network(name), load_hardware("array16_256k")
    start = time.process_time()
    found = simulate(loaded, hardware)
    seconds = time.process_time() - start
    covered = sum(layer.certificate.covered for layer in found.layers)
    row = {
        "network": name,
        "cpu": round(seconds, 3),
        "layers": len(found.layers),
        "distinct": len({layer.layer.workload for layer in found.layers}),
        "covered": covered,
        "cycles": found.cycles,
        "energy_uj": {level: round(pj / 1e6, 3) for level, pj in found.energy_pj.items()},
        "utilisation": round(found.utilisation, 4),
    }
    return row, seconds


if __name__ == "__main__":
    sys.exit(main())
