"""One fused array beside Gemmini: the networks that modern accelerators are judged on.

    python -m benchmarks.compare_gemmini > RESULT.json

``fused16`` and ``gemmini`` (``mapping/hardware/``) have the same 256 units of int8, the same clock,
technology, bus of 16 GB/s and DRAM; the one 256 KB on chip, the other 320.  Batch 1, the networks'
default lengths, int8.  Gemmini is there twice:

- ``best``: what its array can do, every layer on its best mapping for least EDP, as for
  ``fused16``;
- ``driven``: as its own library drives it (:mod:`benchmarks.gemmini_software`), its dataflow, its
  tiles, its order, with the same energies.

``ideal`` is what no design with these units and this bus is below: multiplications on all units, or
every tensor moved once, and the energy of both.  ``memory`` is the share of a side's cycles in
layers that the bus limits.  Work on vectors and of the host is in none.  ``published`` has the
cycles that Gemmini's authors measured for ResNet-50 with a batch of 4 beside the model's.
``variants`` change one thing of ``fused16``.  The exit code is 1 when a mark is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import exp, log
from typing import Any

import numpy as np

from accelgen.affine.yaml_text import Plain
from accelgen.hardware import Hardware, hardware_from, hardware_values, load_hardware
from accelgen.mapper.cache import Solved
from accelgen.networks import Network, load_network
from accelgen.simulation import LayerResult, NetworkResult, layer_problem, simulate
from benchmarks.gemmini_software import Run, layer_of, run
from benchmarks.record import Mark, emit, header, progress, table

NETWORKS = {
    "alexnet": "AlexNet",
    "mobilenet_v2": "MobileNetV2",
    "resnet50": "ResNet-50",
    "efficientnet_v2_s": "EfficientNetV2-S",
    "bert_base": "BERT-base",
    "gpt2_prefill": "GPT-2, prefill",
    "gpt2_decode": "GPT-2, decode",
    "coatnet_0": "CoAtNet-0",
    "ddpm_cifar10": "DDPM",
    "stable_diffusion_1_5": "Stable Diffusion 1.5",
    "llama3_8b_prefill": "Llama-3-8B, prefill",
    "llama3_8b_decode": "Llama-3-8B, decode",
}
SPEED, ENERGY = 3.2, 2.4
FIGURES = {"cycles": "cycles", "energy": "total_pj", "energy on chip": "on_chip_pj"}
SIDES = ("best", "driven")

PUBLISHED_CYCLES, PUBLISHED_USE, LATER_USE, BATCH = 153_709_356, 0.40, 0.51, 4
"""ResNet-50 on Gemmini by its authors: pull request 69 of ucb-bar/gemmini, and the use of the array
by pull request 90."""


@dataclass(frozen=True)
class Side:
    """A network on one hardware: cycles, the share of them that the bus limits, pJ by level."""

    cycles: float
    memory: float
    energy_pj: dict[str, float]

    @property
    def total_pj(self) -> float:
        """Energy of everything."""
        return sum(self.energy_pj.values())

    @property
    def on_chip_pj(self) -> float:
        """The same without the DRAM."""
        return self.total_pj - self.energy_pj["dram"]


@dataclass(frozen=True)
class Row:
    """A network on all sides."""

    network: str
    macs: int
    fused: Side
    best: Side
    driven: Side
    ideal: Side

    def ratio(self, figure: str, side: str, of: str = "fused") -> float:
        """How many times as much one side takes as another."""
        name = FIGURES[figure]
        return float(getattr(getattr(self, side), name) / getattr(getattr(self, of), name))

    def to_json(self) -> dict[str, object]:
        """All figures, and the ratios."""
        ratios = {
            f"{figure}, {side}": round(self.ratio(figure, side), 4)
            for side in SIDES
            for figure in FIGURES
        }
        return {**asdict(self), "ratios": ratios}


def mapped(found: NetworkResult) -> Side:
    """A network on its best mappings."""
    outer = found.hardware.levels[-1].memories[0].name
    slow = sum(x.cycles for x in found.layers if x.cost.limit == outer)
    return Side(found.cycles, round(slow / found.cycles, 4), found.energy_pj)


def driven(network: Network, gemmini: Hardware) -> Side:
    """A network as Gemmini's library runs it."""
    total, macs, slow = Run(), 0, 0
    for layer in network.matrix_layers:
        problem = layer_problem(layer.workload, layer.weights, gemmini)
        one = run(layer_of(problem)).times(layer.repeats)
        total += one
        macs += layer.repeats * problem.iterations
        slow += one.cycles if one.beats > one.compute else 0
    return Side(total.cycles, round(slow / total.cycles, 4), total.energy_pj(gemmini, macs))


def ideal(found: NetworkResult) -> Side:
    """What no design with these units and this bus is below."""
    bounds = [least(x, found.hardware) for x in found.layers]
    cycles, slow, multiplied, moved = (sum(column) for column in zip(*bounds, strict=True))
    return Side(cycles, round(slow / cycles, 4), {"mac": multiplied, "dram": moved})


def least(result: LayerResult, hardware: Hardware) -> tuple[float, float, float, float]:
    """Least cycles of a layer, the same if the bus sets them, energy to multiply and to move."""
    problem, repeats, outer = result.problem, result.layer.repeats, hardware.levels[-1].memories[0]
    whole = np.array([problem.bounds], dtype=np.int64)
    moved = 0.0
    for operand in problem.operands:
        pj = outer.write_pj if operand.is_output else outer.read_pj
        moved += repeats * int(operand.footprint(whole)[0]) * operand.bits * pj
    cycles = result.least_cycles
    bus = cycles if cycles > repeats * problem.iterations / hardware.units else 0.0
    return cycles, bus, repeats * result.cost.energy_pj["mac"], moved


def compare(name: str, fused: Hardware, gemmini: Hardware, solved: Solved) -> Row:
    """One network on all sides."""
    network = load_network(name)
    ours = simulate(network, fused, solved=solved)
    theirs = simulate(network, gemmini, solved=solved)
    return Row(
        NETWORKS.get(name, name),
        network.macs,
        mapped(ours),
        mapped(theirs),
        driven(network, gemmini),
        ideal(ours),
    )


def geomean(values: Sequence[float]) -> float:
    """Geometric mean."""
    return exp(sum(map(log, values)) / len(values))


def means(rows: Sequence[Row]) -> dict[str, float]:
    """Geometric means over the networks, of the ratios to ``fused`` and to ``ideal``."""
    found = {}
    for side in SIDES:
        for figure in FIGURES:
            values = [row.ratio(figure, side) for row in rows]
            found[f"{figure}, {side}"] = round(geomean(values), 4)
        for figure in ("cycles", "energy"):
            values = [row.ratio(figure, side, "ideal") for row in rows]
            found[f"{figure}, {side} over ideal"] = round(geomean(values), 4)
    return found


def published(fused: Hardware, gemmini: Hardware, solved: Solved) -> dict[str, object]:
    """ResNet-50 with a batch of 4 by the model, step by step towards what was measured."""
    network = load_network("resnet50", {"batch": BATCH})
    best = simulate(network, gemmini, "latency", solved=solved)
    kinds = {
        "the library's schedule": {},
        "weights loaded for every block of rows, an early unroller": {"reload": True},
        "biases moved for every row": {"reload": True, "bias": True},
    }
    ours = simulate(network, fused, "latency", solved=solved)
    steps = {"best mappings, least latency": round(best.cycles)}
    for what, options in kinds.items():
        total = Run()
        for layer in network.matrix_layers:
            problem = layer_problem(layer.workload, layer.weights, gemmini)
            total += run(layer_of(problem), **options).times(layer.repeats)
        steps[what] = total.cycles
    # Every residual addition reads two rows of 16 and writes one.
    added = sum(x.elements for x in network.vector_work if x.operation == "add")
    steps["residual additions"] = total.cycles + 3 * added // 16
    steps["fused16, best mappings, least latency"] = round(ours.cycles)
    ideal_cycles = network.macs / gemmini.units
    return {
        "cycles": PUBLISHED_CYCLES,
        "use": PUBLISHED_USE,
        "use_by_our_macs": round(ideal_cycles / PUBLISHED_CYCLES, 4),
        "later_use": LATER_USE,
        "later_cycles": round(ideal_cycles / LATER_USE),
        "model": {
            what: {
                "cycles": cycles,
                "use": round(ideal_cycles / cycles, 4),
                "published_over_model": round(PUBLISHED_CYCLES / cycles, 4),
                "later_over_model": round(ideal_cycles / LATER_USE / cycles, 4),
            }
            for what, cycles in steps.items()
        },
    }


def variants() -> dict[str, Hardware]:
    """``fused16`` with one thing changed."""
    fused, gemmini = load_hardware("fused16"), load_hardware("gemmini")
    values = hardware_values("fused16")
    levels = values["levels"]
    assert isinstance(levels, list)
    parts: list[Plain] = [
        {"name": name, "holds": list(roles), "bytes": 131072, "banks": 16, "width": 64}
        for name, roles in (("operands", ("inputs", "weights")), ("sums", ("outputs",)))
    ]
    halves: Plain = [{"name": "buffers", "memories": parts}, levels[-1]]
    return {
        "Gemmini's memories": replace(fused, levels=gemmini.levels),
        "Gemmini's dataflows": replace(fused, dataflows=gemmini.dataflows),
        "half the memory for sums only": hardware_from({**values, "levels": halves}),
    }


def of_variant(hardware: Hardware, rows: Sequence[Row], names: Sequence[str]) -> dict[str, float]:
    """Geometric means of the variant over ``fused16``."""
    solved, ratios = Solved(), []
    for row, name in zip(rows, names, strict=True):
        side = mapped(simulate(load_network(name), hardware, solved=solved))
        ours = row.fused
        ratios.append((side.cycles / ours.cycles, side.total_pj / ours.total_pj))
    cycles, energy = zip(*ratios, strict=True)
    return {"cycles": round(geomean(cycles), 4), "energy": round(geomean(energy), 4)}


def marks_of(mean: dict[str, float]) -> list[Mark]:
    """Ours over Gemmini's must not be above the reciprocal of the figures to reach."""
    found = []
    for side in SIDES:
        for figure, goal in (("cycles", SPEED), ("energy", ENERGY)):
            measured = round(1 / mean[f"{figure}, {side}"], 4)
            name = f"{figure} over Gemmini, {side}, geometric mean"
            found.append(Mark(name, round(1 / goal, 4), measured, "x"))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", action="append", choices=NETWORKS, help="all of them")
    options = parser.parse_args()
    names = options.network or list(NETWORKS)
    result = header("compare_gemmini")
    fused, gemmini = load_hardware("fused16"), load_hardware("gemmini")
    start, solved, rows = time.process_time(), Solved(), []
    for name in names:
        rows.append(compare(name, fused, gemmini, solved))
        progress(f"{name}: {time.process_time() - start:.1f} s")
    mean, checked = means(rows), published(fused, gemmini, solved)
    changed = {what: of_variant(x, rows, names) for what, x in variants().items()}
    show(rows)
    for what, value in mean.items():
        progress(f"{what}: {value}")
    for group in (checked["model"], changed):
        for what, value in group.items():  # type: ignore[attr-defined]
            progress(f"{what}: {value}")
    marks = marks_of(mean)
    for mark in marks:
        progress(str(mark))
    emit(
        {
            **result,
            "parameters": {"objective": "edp", "batch": 1, "format": "int8"},
            "rows": [row.to_json() for row in rows],
            "means": mean,
            "published": checked,
            "variants": changed,
            "cpu": round(time.process_time() - start, 1),
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def markdown(result: Mapping[str, Any]) -> list[str]:
    """The rows of the table in ``docs/gemmini.md``, from a result: cycles in millions, mJ."""
    lines = []
    for row in result["rows"]:
        sides = [row[name] for name in ("fused", *SIDES, "ideal")]
        bus = " *" if row["ideal"]["memory"] > 0.5 else ""
        cells = [f"{row['network']}{bus}"]
        cells += [f"{side['cycles'] / 1e6:,.2f}" for side in sides]
        cells += [f"{sum(side['energy_pj'].values()) / 1e9:,.2f}" for side in sides]
        cells += [
            f"{row['ratios'][f'{figure}, {side}']:.2f}"
            for side in SIDES
            for figure in ("cycles", "energy")
        ]
        lines.append(f"| {' | '.join(cells)} |")
    mean = result["means"]
    cells = [
        f"**{mean[f'{figure}, {side}']:.2f}**" for side in SIDES for figure in ("cycles", "energy")
    ]
    return [*lines, f"| geometric mean | | | | | | | | | {' | '.join(cells)} |"]


def show(rows: Sequence[Row]) -> None:
    """The table, on stderr: cycles in millions, energy in mJ."""
    heads = ["network"]
    for side in ("fused", *SIDES, "ideal"):
        heads += [f"{side} Mc", "bus %", "mJ"]
    heads += [f"{figure} {side}" for side in SIDES for figure in FIGURES]
    lines = []
    for row in rows:
        line: list[object] = [row.network]
        for name in ("fused", *SIDES, "ideal"):
            found: Side = getattr(row, name)
            line += [round(found.cycles / 1e6, 2), round(100 * found.memory)]
            line.append(round(found.total_pj / 1e9, 2))
        line += [round(row.ratio(figure, side), 2) for side in SIDES for figure in FIGURES]
        lines.append(line)
    progress(table(heads, lines))


if __name__ == "__main__":
    sys.exit(main())
