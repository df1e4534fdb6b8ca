"""Mappings per second and EDP beside ZigZag, on one hardware, for three GEMMs.

    python -m benchmarks.compare_zigzag [--factors 7] > RESULT.json

A 16 x 16 array of int8 with outputs and partial sums of 8 bits under one SRAM of 64 or 256 KB and
DRAM at 8 bytes per cycle: ``array16_64k``, ``array16_256k``, described to ZigZag as nearly alike as
its format permits (:mod:`benchmarks.peers.run_zigzag`).  ZigZag searches every pair of loops to
unroll, with tiles that are the same loops for all operands (even) or not (uneven).  Ours is the
optimum of all mappings, uneven ones included, that of the even ones beside it.

Each side has its own latency model.  So EDP is printed thrice: as each reports it (``own``); of
ZigZag's mappings by our model (``ours_of``); and of the mappings of both by a third one, a
simulation of buffers and DRAM (:mod:`benchmarks.peers.referee`), with energy by the same counts
(``referee``).  Times are CPU seconds, single-threaded.  The exit code is 1 when ours is worse by
our model or by the referee.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

from accelgen.affine import Workload
from accelgen.hardware import Hardware, load_hardware
from accelgen.mapper import Constraints, Mapping, Problem, best_mapping, cost, problem_of
from benchmarks.peers.environment import add_option, ask, environment
from benchmarks.peers.referee import Loop, Nest, Tensor, cycles, room
from benchmarks.record import Mark, emit, header, progress, table

GEMMS = ((512, 512, 512), (1, 4096, 4096), (128, 768, 3072))
HARDWARE = ("array16_64k", "array16_256k")
TENSORS = {"A": ("m", "k"), "B": ("k", "n"), "Y": ("m", "n")}
PAIRS = ("mn", "mk", "nk")


@dataclass(frozen=True)
class Theirs:
    """A mapping that ZigZag found.

    ``loops`` are the temporal ones, innermost first; ``held`` says how many of them the SRAM holds
    for each tensor.
    """

    bounds: MappingOf[str, int]
    unrolled: MappingOf[str, int]
    loops: tuple[tuple[str, int], ...]
    held: MappingOf[str, int]

    def box(self, inside: int) -> dict[str, int]:
        """Iterations of the innermost loops."""
        return {
            index: self.unrolled[index] * prod(n for x, n in self.loops[:inside] if x == index)
            for index in self.bounds
        }

    def nest(self) -> Nest:
        """For the referee: a step is what every tensor holds."""
        inside = min(self.held.values())
        loops = [
            Loop(x, n, self.box(at)[x]) for at, (x, n) in enumerate(self.loops) if at >= inside
        ]
        tensors = tuple(
            Tensor(indices, self.box(self.held[name]), name == "Y")
            for name, indices in TENSORS.items()
        )
        return Nest(self.bounds, tuple(reversed(loops)), self.box(inside), self.unrolled, tensors)

    def moved(self, name: str, inside: int) -> int:
        """Elements of a tensor that enter a level which holds the loops ``inside``, or leave it."""
        outside = list(self.loops[inside:])
        while outside and outside[0][0] not in TENSORS[name]:
            del outside[0]
        box = self.box(inside)
        return prod(box[index] for index in TENSORS[name]) * prod(n for _, n in outside)

    def traffic(self) -> int:
        """Bytes that DRAM moves."""
        whole = prod(self.bounds[index] for index in TENSORS["Y"])
        held = {name: self.moved(name, inside) for name, inside in self.held.items()}
        return sum(held.values()) + held["Y"] - whole

    def energy(self, hardware: Hardware) -> dict[str, float]:
        """The same counts as ours: no sum is read before it is first written."""
        sram, dram = (level.memories[0] for level in hardware.levels)
        spent = {"mac": prod(self.bounds.values()) * hardware.mac_energy("int8"), "sram": 0.0}
        spent["dram"] = 0.0
        for name, indices in TENSORS.items():
            array, held = self.moved(name, 0), self.moved(name, self.held[name])
            whole = prod(self.bounds[index] for index in indices) if name == "Y" else 0
            up = (8 * array, 8 * held) if name == "Y" else (0, 0)
            down = (8 * (array - whole), 8 * (held - whole))
            spent["sram"] += down[0] * sram.read_pj + up[0] * sram.write_pj
            spent["sram"] += down[1] * sram.write_pj + up[1] * sram.read_pj
            spent["dram"] += down[1] * dram.read_pj + up[1] * dram.write_pj
        return spent

    def as_ours(self, problem: Problem) -> Mapping:
        """The mapping in our form: a box from every place that a tensor is held from, and one of
        which nothing is held where a loop comes again before the next of these.
        """
        ends = self._boxes()
        boxes = [self.box(at) for at in ends]
        tiles = [
            tuple(sizes[x] for x in problem.loops) for sizes in (self.unrolled, *boxes, self.bounds)
        ]
        orders = [
            _order(problem, self.loops[first:last])
            for first, last in pairwise((0, *ends, len(self.loops)))
        ]
        spread = [x for x in problem.loops if self.unrolled[x] > 1]
        unrolling = tuple(
            (axis, problem.loops.index(x), self.unrolled[x])
            for axis, x in zip("ij", spread, strict=False)
        )
        held = tuple(1 + ends.index(self.held[x.name]) for x in problem.operands)
        return Mapping(tuple(tiles), tuple(orders), unrolling, held=(held,))

    def _boxes(self) -> list[int]:
        """How many loops every box has, so that between two of them each loop is in one place."""
        ends: list[int] = []
        seen: list[str] = []
        for at in range(len(self.loops) + 1):
            index = self.loops[at][0] if at < len(self.loops) else ""
            again = index in seen[:-1]
            if again or at in self.held.values():
                ends.append(at)
                seen = []
            if index not in seen:
                seen.append(index)
        return ends


def _order(problem: Problem, loops: Sequence[tuple[str, int]]) -> tuple[int, ...]:
    """Loops, innermost first, as an order of ours."""
    names = list(dict.fromkeys(x for x, _ in loops))
    still = [x for x in problem.loops if x not in names]
    return tuple(problem.loops.index(x) for x in (*still, *reversed(names)))


def nest_of(problem: Problem, mapping: Mapping) -> Nest:
    """A mapping of ours on one buffer for the referee: a step is the innermost box."""
    (held,) = mapping.boxes_held(len(problem.operands))
    at_once, *boxes, bounds = (dict(zip(problem.loops, x, strict=True)) for x in mapping.tiles)
    loops = [
        Loop(x, -(-around[x] // box[x]), box[x])
        for order, box, around in zip(mapping.orders[1:], boxes, (*boxes[1:], bounds), strict=True)
        for x in (problem.loops[d] for d in reversed(order))
    ]
    tensors = tuple(
        Tensor(TENSORS[x.name], boxes[box - 1], x.is_output)
        for x, box in zip(problem.operands, held, strict=True)
    )
    return Nest(bounds, tuple(reversed(loops)), boxes[0], at_once, tensors)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--factors", type=int, default=7, help="LOMA's lpf_limit")
    add_option(parser, "zigzag")
    options = parser.parse_args()
    result = header("compare_zigzag")
    python = environment("zigzag", options.venv)
    warm = Workload("Y[m,n] += A[m,k] * B[k,n]", {"m": 32, "n": 32, "k": 32})
    best_mapping(problem_of(warm, output_bits=8, partial_bits=8), load_hardware(HARDWARE[0]))
    rows = [
        compare(python, hardware, gemm, options.factors) for hardware in HARDWARE for gemm in GEMMS
    ]
    marks = [
        Mark(
            f"EDP over ZigZag's best {by}, {row['gemm']} on {row['hardware']}",
            1.0,
            row[key],
            "",
        )
        for row in rows
        for key, by in (("ratio_ours_of", "by our model"), ("ratio_referee", "by the referee"))
    ]
    by = ("own", "ours_of", "referee")
    columns = ("hardware", "gemm", *(f"{side}_{key}" for side in ("ratio", "even") for key in by))
    progress(table(columns, [[row[column] for column in columns] for row in rows]))
    for mark in marks:
        progress(str(mark))
    parameters = {"factors": options.factors}
    shown = [mark.to_json() for mark in marks]
    emit({**result, "parameters": parameters, "gemms": rows, "marks": shown})
    return 0 if all(mark.met for mark in marks) else 1


def compare(python: Path, name: str, gemm: tuple[int, int, int], factors: int) -> dict[str, Any]:
    """Both sides on one GEMM."""
    hardware, bounds = load_hardware(name), dict(zip("mkn", gemm, strict=True))
    problem = problem_of(
        Workload("Y[m,n] += A[m,k] * B[k,n]", bounds), output_bits=8, partial_bits=8
    )
    ours = our_side(problem, hardware, Constraints(uneven=True))
    even = our_side(problem, hardware, Constraints())
    theirs = [
        their_side(answer, problem, hardware) for answer in answers(python, hardware, gemm, factors)
    ]
    cpu = sum(row["cpu"] for row in theirs)
    evaluations = sum(row["evaluations"] for row in theirs)
    row: dict[str, Any] = {
        "hardware": name,
        "gemm": " x ".join(map(str, gemm)),
        "per_second": ours["per_second"],
        "zigzag_per_second": round(evaluations / cpu),
        "zigzag_model_per_second": round(evaluations / sum(row["model_cpu"] for row in theirs)),
    }
    for key in ("own", "ours_of", "referee"):
        best = min(theirs, key=lambda row: row[key]["edp"])
        row[f"ratio_{key}"] = round(ours[key]["edp"] / best[key]["edp"], 5)
        row[f"even_{key}"] = round(even[key]["edp"] / best[key]["edp"], 5)
        row[f"best_{key}"] = f"{best['spatial']}, {best['kind']}"
    return {**row, "ours": ours, "ours_even": even, "zigzag": theirs}


def our_side(problem: Problem, hardware: Hardware, constraints: Constraints) -> dict[str, Any]:
    """Our best mapping, by our model and by the referee."""
    start = time.process_time()
    found = best_mapping(problem, hardware, constraints=constraints)
    seconds = time.process_time() - start
    nest = nest_of(problem, found.mapping)
    sram = hardware.levels[0].memories[0]
    assert sram.size is None or room(nest) <= sram.size, "tiles do not fit"
    own = figures(found.cost.cycles, found.cost.energy_pj)
    return {
        "own": own,
        "ours_of": own,
        "referee": referee(nest, hardware, found.cost.energy_pj),
        "mapping": found.mapping.nest(problem, ["sram", "dram"]).splitlines(),
        "certificate": asdict(found.certificate),
        "cpu": round(seconds, 4),
        "per_second": {
            key: round(count / seconds) for key, count in asdict(found.certificate).items()
        },
    }


def answers(
    python: Path, hardware: Hardware, gemm: tuple[int, int, int], factors: int
) -> list[dict[str, Any]]:
    """What ZigZag finds: the best of every pair of loops and kind of mapping."""
    sram, dram = (level.memories[0] for level in hardware.levels)
    bounds = dict(zip("mkn", gemm, strict=True))
    question = {
        "gemm": gemm,
        "extent": hardware.array["i"],
        "sram_bytes": sram.size,
        "sram_pj_per_bit": sram.read_pj,
        "dram_bytes_per_cycle": dram.bandwidth,
        "dram_pj_per_bit": dram.read_pj,
        "mac_pj": hardware.mac_energy("int8"),
        "spatial": [pair for pair in PAIRS if all(bounds[index] > 1 for index in pair)],
        "kinds": ["even", "uneven"],
        "factors": factors,
    }
    found: list[dict[str, Any]] = ask(python, "run_zigzag.py", question)[0]
    return found


def their_side(answer: dict[str, Any], problem: Problem, hardware: Hardware) -> dict[str, Any]:
    """A mapping of ZigZag's, as it reports it, by our model, and by the referee."""
    bounds = dict(zip(problem.loops, problem.bounds, strict=True))
    extent = hardware.array["i"]
    theirs = Theirs(
        bounds,
        {x: min(extent, n) if x in answer["spatial"] else 1 for x, n in bounds.items()},
        tuple((x, n) for x, n in answer["loops"]),
        {name: inside for name, (_, inside) in answer["levels"].items()},
    )
    nest, energy = theirs.nest(), theirs.energy(hardware)
    sram = hardware.levels[0].memories[0]
    assert sram.size is None or room(nest) <= sram.size, "ZigZag's tiles do not fit"
    found = cost(problem, hardware, theirs.as_ours(problem))
    difference = sum(energy.values()) - found.total_pj
    assert abs(difference) < 1e-6 * found.total_pj, "counts that differ"
    rate = hardware.levels[-1].memories[0].bandwidth
    assert rate is not None
    own = figures(answer["cycles"], answer["energy_pj"])
    progress(f"{answer['spatial']} {answer['kind']}: {own['edp']:.5g}, {answer['cpu']} s")
    return {
        "spatial": answer["spatial"],
        "kind": answer["kind"],
        "own": own,
        "traffic_cycles": theirs.traffic() / rate,
        "ours_of": figures(found.cycles, found.energy_pj),
        "referee": referee(nest, hardware, energy),
        "loops": [[x, n] for x, n in theirs.loops],
        "levels": answer["levels"],
        "parts": {
            key: answer[key] for key in ("compute_cycles", "stalls", "first_load", "last_store")
        },
        "evaluations": answer["evaluations"],
        "cpu": answer["cpu"],
        "model_cpu": answer["model_cpu"],
    }


def referee(nest: Nest, hardware: Hardware, energy: MappingOf[str, float]) -> dict[str, Any]:
    """Figures with the simulated cycles."""
    rate = hardware.levels[-1].memories[0].bandwidth
    assert rate is not None
    return figures(cycles(nest, rate), energy)


def figures(latency: float, energy: MappingOf[str, float]) -> dict[str, Any]:
    """Cycles, energy by level, EDP in pJ x cycles."""
    return {
        "cycles": latency,
        "energy_uj": {level: round(pj / 1e6, 4) for level, pj in energy.items()},
        "edp": latency * sum(energy.values()),
    }


if __name__ == "__main__":
    sys.exit(main())
