"""Bits per layer at no loss of measured accuracy, beside 8 bits everywhere, on digits networks.

    python -m benchmarks.mixed_precision [--drawn N] [--seed N] [--array N] > RESULT.json

Of the smallest, the middle, the largest and N drawn networks of the space ``digits``, on composable
and on bit-serial units: energy and cycles of every layer by the simulator with every pair of int2,
int4, int8 weights and uint2, uint4, uint8 activations; sensitivities are the errors of the answers
for training images when one layer has fewer bits.

``milp``      an integer program finds the least sensitive bits of every budget, from 8 bits down in
              steps of ``STEP``; of these the cheapest whose accuracy, measured on the validation
              images, is not below that of 8 bits everywhere
``descent``   from there on, a layer goes to cheaper formats while the measured accuracy stays, the
              largest saving first
``careful``   ``milp`` that asks for the same on the images of training as well: 300 images choose
              among many allocations, and some are right by luck
``haq``       HAQ's decrement over the same budgets, with the rule of ``milp``
``uniform4``  4 bits everywhere, right or not

``test`` is the accuracy on the images that nothing here looks at.  Marks are those of ``milp``,
geometric means over the networks, as costs over those of 8 bits; ``means`` has those of all
methods, with the mean accuracies.  The exit code is 1 when a mark is missed.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.accuracy.source import LayerBits
from accelgen.bits import (
    Allocation,
    BitTable,
    bit_costs,
    decrement,
    least_sensitive,
    output_errors,
    uniform,
)
from accelgen.bits.costs import Measure
from accelgen.digits.data import digits
from accelgen.elastic.digits import DigitsSpace
from accelgen.errors import InfeasibleError
from accelgen.hardware import Hardware, load_hardware
from accelgen.mapper.cache import open_solved
from accelgen.quantised.run import answers, image_codes
from benchmarks.record import Mark, emit, header, progress, table

UNITS = ("composable16", "bit_serial16")
WANTED: Mapping[Measure, float] = {"energy": 1.9, "latency": 1.4}
"""How much less than with 8 bits everywhere."""

STEP = 0.96
WIDE = LayerBits("int8", "uint8")
OFFERED = tuple(
    LayerBits(f"int{weights}", f"uint{activations}")
    for weights in (8, 4, 2)
    for activations in (8, 4, 2)
)

Architecture = Mapping[str, int]
Figures = dict[str, Any]
Entry = dict[str, Figures]
"""By method."""


@dataclass(frozen=True, eq=False)
class Subject:
    """An architecture, what is measured of it, and its accuracy with 8 bits everywhere."""

    architecture: Architecture
    validation: MeasuredDigits
    train: MeasuredDigits
    test: MeasuredDigits

    def right(self, allocation: Allocation) -> float:
        """The accuracy that searches see."""
        return self.validation.accuracy(self.architecture, allocation.bits).value

    def learned(self, allocation: Allocation) -> float:
        """That on the images of training."""
        return self.train.accuracy(self.architecture, allocation.bits).value

    def outputs(self, bits: Mapping[str, LayerBits]) -> NDArray[np.float64]:
        """Answers for training images."""
        network = self.validation.supernet.quantised(self.architecture, bits)
        found = answers(network, image_codes(network, digits("train").images[:300]))
        return np.asarray(found * network.layers[-1].output_scale, np.float64)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drawn", type=int, default=5, metavar="N", help="networks drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--array", type=int, default=0, metavar="N", help="cut to N x N units")
    options = parser.parse_args()
    result = header("mixed_precision")
    space, parts = DigitsSpace(), [MeasuredDigits(x) for x in ("validation", "train", "test")]
    architectures = dict(networks(space, options.drawn, options.seed))
    found: dict[str, dict[str, dict[Measure, Entry]]] = {}
    ratios: dict[tuple[str, Measure], list[float]] = {}
    rows: list[Sequence[object]] = []
    for name, architecture in architectures.items():
        subject = Subject(architecture, *parts)
        found[name] = {}
        sensitivities = None
        for unit in UNITS:
            hardware = cut(load_hardware(unit), options.array)
            tables = costs(space, architecture, hardware)
            if sensitivities is None:
                wide = dict.fromkeys((x.name for x in tables["energy"].layers), WIDE)
                sensitivities = output_errors(subject.outputs, tables["energy"], wide)
            tables = {x: y.with_sensitivities(sensitivities) for x, y in tables.items()}
            found[name][unit] = entries = {x: compare(subject, tables, x) for x in WANTED}
            for measure, entry in entries.items():
                ratio = entry["milp"][f"{measure}_ratio"]
                ratios.setdefault((unit, measure), []).append(ratio)
                cells = [f"{entry[x][f'{measure}_ratio']:.2f}x" for x in METHODS]
                accuracies = [f"{entry[x]['test']:.1%}" for x in ("uniform8", *METHODS)]
                rows.append((name, unit, measure, *cells, *accuracies))
                progress("  ".join(map(str, rows[-1])))
    marks = [
        Mark(f"{measure} of mixed over 8 bits, {unit}", round(1 / WANTED[measure], 4),
             round(1 / geomean(found), 4), "x")
        for (unit, measure), found in ratios.items()
    ]  # fmt: skip
    heads = ["network", "unit", "measure", *METHODS]
    heads += [f"test: {x}" for x in ("uniform8", *METHODS)]
    progress(table(heads, rows))
    for mark in marks:
        progress(str(mark))
    result["parameters"] = {
        "drawn": options.drawn,
        "seed": options.seed,
        "array": options.array or None,
        "step": STEP,
    }
    result["architectures"] = {name: dict(x) for name, x in architectures.items()}
    result["networks"] = found
    result["means"] = means(found)
    result["marks"] = [mark.to_json() for mark in marks]
    emit(result)
    return 0 if all(mark.met for mark in marks) else 1


METHODS = ("milp", "descent", "careful", "haq", "uniform4")


def networks(space: DigitsSpace, drawn: int, seed: int) -> Iterator[tuple[str, Architecture]]:
    """Three that are known, and some drawn."""
    yield "smallest", space.smallest
    yield "middle", space.middle
    yield "largest", space.largest
    draw = random.Random(seed)
    for number in range(drawn):
        chosen = {choice.name: draw.choice(choice.values) for choice in space.choices}
        yield f"drawn{number}", space.legal(chosen)


def cut(hardware: Hardware, side: int) -> Hardware:
    """The hardware with ``side`` x ``side`` units; as it is for 0."""
    return replace(hardware, array=dict.fromkeys(hardware.array, side)) if side else hardware


def costs(
    space: DigitsSpace, architecture: Architecture, hardware: Hardware
) -> dict[Measure, BitTable]:
    """What every layer takes with every pair of formats, mapped for the least of that measure."""
    solved, network = open_solved(), space.network(architecture)
    return {x: bit_costs(network, hardware, OFFERED, x, solved=solved) for x in WANTED}


def compare(subject: Subject, tables: Mapping[Measure, BitTable], measure: Measure) -> Entry:
    """All methods, searching for the least of one measure; figures of the other beside it."""
    mine = tables[measure]
    wide = uniform(mine, WIDE)
    least, learned = subject.right(wide), subject.learned(wide)

    def right(one: Allocation) -> bool:
        return subject.right(one) >= least

    def careful(one: Allocation) -> bool:
        return right(one) and subject.learned(one) >= learned

    exact = allocations(mine, lambda cost: least_sensitive(mine, cost))
    haq = allocations(mine, lambda cost: decrement(mine, wide.bits, cost))
    found: dict[str, Allocation] = {
        "uniform8": wide,
        "milp": cheapest_right(wide, exact, right),
        "careful": cheapest_right(wide, exact, careful),
        "haq": cheapest_right(wide, haq, right),
        "uniform4": uniform(mine, LayerBits("int4", "uint4")),
    }
    found["descent"] = descend(mine, found["milp"], right)
    return {name: described(subject, tables, one, wide) for name, one in found.items()}


def allocations(mine: BitTable, method: Callable[[float], Allocation]) -> list[Allocation]:
    """What ``method`` finds for every budget, the cheapest first."""
    found: list[Allocation] = []
    budget = uniform(mine, WIDE).cost
    while True:
        try:
            found.append(method(budget))
        except InfeasibleError:
            return sorted(found, key=lambda one: one.cost)
        budget = min(budget, found[-1].cost) * STEP


def cheapest_right(
    wide: Allocation, found: Sequence[Allocation], right: Callable[[Allocation], bool]
) -> Allocation:
    """The first that is right often enough; ``wide`` where none is."""
    return next((one for one in found if one.cost < wide.cost and right(one)), wide)


def descend(mine: BitTable, start: Allocation, right: Callable[[Allocation], bool]) -> Allocation:
    """Cheaper formats of one layer after the other, while it is right often enough."""
    best, going = start, True
    while going:
        steps = [
            mine.allocation({**best.bits, layer.name: option.bits})
            for layer in mine.layers
            for option in layer.options
        ]
        cheaper = sorted((x for x in steps if x.cost < best.cost), key=lambda x: x.cost)
        found = next(filter(right, cheaper), None)
        best, going = found or best, found is not None
    return best


def described(
    subject: Subject,
    tables: Mapping[Measure, BitTable],
    one: Allocation,
    wide: Allocation,
) -> Figures:
    """Both measures, how much less they are than with 8 bits, and both accuracies."""
    found: Figures = {}
    for measure, mine in tables.items():
        cost = mine.allocation(one.bits).cost
        found[measure] = round(cost, 1)
        found[f"{measure}_ratio"] = round(mine.allocation(wide.bits).cost / cost, 4)
    return found | {
        "validation": round(subject.right(one), 4),
        "test": round(subject.test.accuracy(subject.architecture, one.bits).value, 4),
        "bits": {name: f"{x.weights} {x.activations}" for name, x in one.bits.items()},
    }


def means(found: Mapping[str, Mapping[str, Mapping[Measure, Entry]]]) -> Figures:
    """Over the networks, by unit, measure and method: geometric means of both ratios, and the mean
    accuracies.
    """

    def mean(unit: str, measure: Measure, method: str) -> dict[str, float]:
        own = [network[unit][measure][method] for network in found.values()]
        return {
            **{f"{x}_ratio": round(geomean([y[f"{x}_ratio"] for y in own]), 3) for x in WANTED},
            **{x: round(statistics.mean(y[x] for y in own), 4) for x in ("validation", "test")},
        }

    return {
        unit: {x: {y: mean(unit, x, y) for y in ("uniform8", *METHODS)} for x in WANTED}
        for unit in UNITS
    }


def geomean(values: Sequence[float]) -> float:
    return math.exp(statistics.mean(map(math.log, values)))


if __name__ == "__main__":
    raise SystemExit(main())
