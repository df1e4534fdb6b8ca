"""What the links of several dataflows on one array cost, by how they are chosen.

    python -m benchmarks.fusion_sharing [--sizes 4,8,16] [--seconds N] > RESULT.json

Per set of shipped dataflows, size of the array and operand: the cost when every dataflow chooses
alone, by the heuristic and by the integer program (`accelgen/fabric/sharing.py` says what is
counted), in registers of one bit; the bound below which there is no choice, and by how much the
heuristic is above it; the seconds of each.  Below, what is built when the dataflows choose alone
and when they share: bits of registers that delay matching places, of FIFOs, and of multiplexer
inputs beyond the first, chains included.  The exit code is 1 when something is not proven at 8 x 8
or below, or takes longer than ten seconds there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from unittest.mock import patch

from accelgen.affine import Description, load_description
from accelgen.fabric.sharing import Choice, Sharing, alone, in_registers
from accelgen.fabric.sharing_exact import exact
from accelgen.fabric.sharing_heuristic import heuristic
from accelgen.fabric.structure import decide
from accelgen.fabric.together import EXACT_UNITS, pose
from accelgen.processor.design import design_processor
from benchmarks.record import Mark, emit, header, progress, table

SETS = (
    ("gemm_os_systolic", "gemm_ws_systolic", "gemm_is_systolic"),
    ("gemm_os_systolic", "gemm_ws_systolic", "conv2d_ws_nvdla", "depthwise"),
    ("conv2d_os_shidiannao", "depthwise"),
    ("conv2d_os_shidiannao", "gemm_os_systolic"),
    ("conv2d_ws_nvdla", "conv2d_strided", "gemm_outer_product"),
    (
        "gemm_os_systolic",
        "conv2d_os_shidiannao",
        "conv2d_dilated",
        "conv2d_strided",
        "depthwise",
    ),
)
MOST_SECONDS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", default="4,8,16")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each integer program")
    options = parser.parse_args(arguments)
    sizes = [int(size) for size in options.sizes.split(",")]
    result = header("fusion_sharing")
    result["parameters"] = {"sizes": sizes, "seconds": options.seconds, "types": "int8, Y int32"}
    choices = []
    built = []
    for size in sizes:
        for names in SETS:
            descriptions = [sized(name, size) for name in names]
            for operand in range(2):
                figures = chosen(descriptions, operand, options.seconds)
                choices.append({"set": names, "size": size, "operand": operand, **figures})
            built.append({"set": names, "size": size, **hardware(descriptions)})
            progress(f"{size} x {size}: {', '.join(names)}")
    small = [c for c in choices if int(str(c["size"])) ** 2 <= EXACT_UNITS]
    slowest = max((float(str(c["exact_seconds"])) for c in small), default=0.0)
    marks = [
        Mark("slowest exact choice up to 8 x 8", MOST_SECONDS, slowest, "s"),
        Mark("not proven up to 8 x 8", 0, sum(not c["proven"] for c in small), "programs"),
    ]
    result.update(choices=choices, built=built, marks=[mark.to_json() for mark in marks])
    emit(result)
    columns = ("size", "operand", "alone", "heuristic", "exact", "bound", "gap_percent",
               "heuristic_seconds", "exact_seconds")  # fmt: skip
    rows = [[", ".join(c["set"]), *(c[k] for k in columns)] for c in choices]  # type: ignore[arg-type]
    progress(table(("dataflows", *columns), rows))
    kinds = ("registers", "fifos", "multiplexers")
    heads = [f"{kind} {how}" for kind in kinds for how in ("alone", "shared")]
    rows = [
        [", ".join(b["set"]), b["size"], *(b[how][k] for k in kinds for how in ("alone", "shared"))]  # type: ignore[arg-type,index,call-overload]
        for b in built
    ]
    progress(table(("dataflows", "size", *heads), rows))
    for mark in marks:
        progress(str(mark))
    return 0 if all(mark.met for mark in marks) else 1


def sized(name: str, size: int) -> Description:
    description = load_description(name)
    space = dict.fromkeys(description.dataflow.space, size)
    return description.with_overrides(space=space, types={"Y": "int32"})


def chosen(descriptions: Sequence[Description], operand: int, seconds: float) -> dict[str, object]:
    """The cost of an operand's links, with the seconds it took to choose them."""
    problem = pose([description.lower() for description in descriptions], operand)
    apart = alone(problem)
    near, near_seconds = timed(heuristic, problem)
    # The program starts from the choice alone, so that its time is its own.
    started = time.perf_counter()
    found = exact(problem, seconds, apart)
    exact_seconds = time.perf_counter() - started
    costs = [in_registers(problem.cost(choice)) for choice in (apart, near, found.choice)]
    bound = in_registers(found.bound)
    return {
        "alone": round(costs[0], 1),
        "heuristic": round(costs[1], 1),
        "exact": round(costs[2], 1),
        "bound": round(bound, 1),
        "proven": found.proven,
        "gap_percent": round(100 * (costs[1] / bound - 1), 4) if bound else 0.0,
        "heuristic_seconds": round(near_seconds, 3),
        "exact_seconds": round(exact_seconds, 3),
    }


def timed(solve: Callable[[Sharing], Choice], problem: Sharing) -> tuple[Choice, float]:
    started = time.perf_counter()
    choice = solve(problem)
    return choice, time.perf_counter() - started


def hardware(descriptions: Sequence[Description]) -> dict[str, dict[str, int]]:
    """Bits of what is built, without and with sharing."""
    found = {}
    for how in ("alone", "shared"):
        if how == "alone":
            with patch(
                "accelgen.processor.flow.decide_together",
                lambda kernels: [decide(kernel) for kernel in kernels],
            ):
                design = design_processor(descriptions, "fused")
        else:
            design = design_processor(descriptions, "fused")
        nodes = design.pipeline.netlist.nodes
        found[how] = {
            "registers": design.pipeline.bits,
            "fifos": sum(
                n.format.bits * int(str(n.parameters[0])) for n in nodes if n.kind == "fifo"
            ),
            "multiplexers": sum(
                n.format.bits * (len(n.inputs) - 2) for n in nodes if n.kind == "choose"
            ),
        }
    return found


if __name__ == "__main__":
    sys.exit(main())
