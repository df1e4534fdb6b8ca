"""AlexNet on the model of Eyeriss beside the measured chip, layer by layer.

    python -m benchmarks.eyeriss [--quick] > RESULT.json

The chip's figures are those of table V of Y.-H. Chen et al., JSSC 52(1), 2017: batch of 4, 200 MHz.
Its mapping of each layer is given by the paper's parameters (:class:`RowStationary`); the mapper
chooses the order of the loops, for least latency.  *Processing* is without a limit of the link to
the DRAM, *total* with it.  Buffer traffic is what the array takes from the buffer and gives to it.
Then the mapper is free, within the hardware, for least latency and least EDP (not with
``--quick``).  Times are seconds of CPU.  The exit code is 1 when a mark is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from accelgen.hardware import Hardware, load_hardware
from accelgen.mapper import Constraints, Objective, Optimum, Problem, best_mapping, moves
from accelgen.names import FrozenMap
from accelgen.networks import load_network
from accelgen.simulation import layer_problem
from benchmarks.record import Mark, emit, header, progress, table

BATCH, MEGA = 4, 1e6
LATENCY_MEAN, LATENCY_WORST, TRAFFIC_WORST = 4.2, 12.4, 10.0
FREE: tuple[Objective, ...] = ("latency", "edp")


@dataclass(frozen=True)
class Published:
    """A row of the paper's table V; ``dram_mb`` is compressed."""

    total_ms: float
    processing_ms: float
    active: int
    buffer_mb: float
    dram_mb: float


PUBLISHED = {
    "conv1": Published(20.9, 16.5, 154, 18.5, 5.0),
    "conv2": Published(41.9, 39.2, 135, 77.6, 4.0),
    "conv3": Published(23.6, 21.8, 156, 50.2, 3.0),
    "conv4": Published(18.4, 16.0, 156, 37.4, 2.1),
    "conv5": Published(10.5, 10.0, 156, 24.9, 1.3),
}


@dataclass(frozen=True)
class RowStationary:
    """The paper's parameters of a mapping.

    ``m`` filters, ``n`` images and ``e`` output rows are in the buffer and the array at a time; a
    PE takes ``p`` filters and ``q`` channels; the array has ``r`` sets of PEs for other channels
    times ``t`` for other filters.
    """

    m: int
    n: int
    e: int
    p: int
    q: int
    r: int
    t: int

    def pins(self, problem: Problem, hardware: Hardware) -> Constraints:
        """The mapping but for its orders.

        A set is as high as a filter and as wide as the output rows, folded where the array is not;
        sets are stacked along y, those for filters that have no room there along x.
        """
        bounds = dict(zip(problem.loops, problem.bounds, strict=True))
        high, wide = hardware.array["y"], hardware.array["x"]
        folds = -(-self.e // wide)
        stacked = min(self.t, high // (bounds["r"] * folds * self.r))
        along_y = {"r": bounds["r"], "p": folds, "c": self.r, "k": stacked}
        along_x = {"p": min(self.e, wide), "k": self.t // stacked}
        unit = {"k": self.p, "c": self.q, "s": bounds["s"]}
        held = {"n": self.n, "k": self.m, "c": self.q * self.r, "p": self.e}
        held |= {"q": bounds["q"], "r": bounds["r"], "s": bounds["s"]}
        several = {"y": along_y, "x": along_x}
        return Constraints(
            unroll=FrozenMap(
                {
                    axis: FrozenMap({loop: n for loop, n in loops.items() if n > 1})
                    for axis, loops in several.items()
                }
            ),
            registers=FrozenMap({loop: unit.get(loop, 1) for loop in problem.loops}),
            buffer=FrozenMap({loop: held.get(loop, 1) for loop in problem.loops}),
        )


CONV3_RECALLED = "conv3, q=4 r=1 t=4"
PARAMETERS = {
    "conv1": RowStationary(96, 1, 7, 16, 1, 1, 2),
    "conv2": RowStationary(64, 1, 27, 16, 2, 1, 1),
    "conv3": RowStationary(64, 4, 13, 16, 3, 2, 2),
    CONV3_RECALLED: RowStationary(64, 4, 13, 16, 4, 1, 4),
    "conv4": RowStationary(64, 4, 13, 16, 3, 2, 2),
    "conv5": RowStationary(64, 4, 13, 16, 3, 2, 2),
}
"""As we recall the paper's table of mappings, but for CONV3, which is there as it is under its own
name: with it the buffer traffic is 40 % above the chip's, with CONV4's 2 %, and the chip's traffic
of these two layers is in the ratio of their multiplications.
"""


@dataclass(frozen=True)
class Row:
    """A layer by the model; times in ms, traffic in millions of bytes, errors in percent."""

    layer: str
    parameters: RowStationary
    processing_ms: float
    processing_error: float
    active: int
    buffer_mb: float
    buffer_error: float
    buffer_by_role: dict[str, float]
    total_ms: float
    total_error: float
    dram_mb: float
    shares: dict[str, float]
    mapping: list[str]


def problem_on(hardware: Hardware, name: str) -> Problem:
    """A layer of AlexNet as the hardware stores and multiplies it."""
    layers = load_network("alexnet", {"batch": BATCH}).matrix_layers
    layer = next(layer for layer in layers if layer.name == name)
    return layer_problem(layer.workload, layer.weights, hardware)


def processing(hardware: Hardware) -> Hardware:
    """The hardware without a limit of the link to the DRAM."""
    *levels, outer = hardware.levels
    free = replace(outer, memories=(replace(outer.memories[0], bandwidth=None),))
    return replace(hardware, levels=(*levels, free))


def as_on_chip(hardware: Hardware, name: str) -> Row:
    """A row of :data:`PARAMETERS`, by the model."""
    layer, parameters = name[:5], PARAMETERS[name]
    published, problem = PUBLISHED[layer], problem_on(hardware, layer)
    pins = parameters.pins(problem, hardware)
    fast = best_mapping(problem, processing(hardware), "latency", pins)
    whole = best_mapping(problem, hardware, "latency", pins)
    array, _ = moves(problem, hardware, fast.mapping)
    _, buffer = moves(problem, hardware, whole.mapping)
    by_role = {
        x.role: (array[x.name].entered + array[x.name].left) * x.partial_bits / 8 / MEGA
        for x in problem.operands
    }
    outside = sum(
        (buffer[x.name].entered + buffer[x.name].left) * x.partial_bits / 8 / MEGA
        for x in problem.operands
    )
    traffic = sum(by_role.values())
    ms = milliseconds(fast, hardware)
    return Row(
        name,
        parameters,
        round(ms, 2),
        percent(ms, published.processing_ms),
        fast.cost.active_units,
        round(traffic, 1),
        percent(traffic, published.buffer_mb),
        {role: round(moved, 2) for role, moved in by_role.items()},
        round(milliseconds(whole, hardware), 2),
        percent(milliseconds(whole, hardware), published.total_ms),
        round(outside, 1),
        {what: round(share, 4) for what, share in fast.cost.shares.items()},
        fast.mapping.nest(problem, names(hardware)).splitlines(),
    )


def without_parts(hardware: Hardware) -> dict[str, list[float]]:
    """Errors of processing latency, in percent, when the hardware is simpler than the chip."""
    assert hardware.registers is not None
    twice = tuple(
        replace(x, buffers=2, size=None) if x.holds == ("weights",) else x
        for x in hardware.registers.memories
    )
    simpler = {
        "as described": hardware,
        "sums are added in no time": replace(hardware, join_cycles=0),
        "filters are replaced while in use": replace(
            hardware, registers=replace(hardware.registers, memories=twice)
        ),
    }
    found = {}
    for what, changed in simpler.items():
        free = processing(changed)
        errors = []
        for layer, published in PUBLISHED.items():
            problem = problem_on(changed, layer)
            pins = PARAMETERS[layer].pins(problem, changed)
            fast = best_mapping(problem, free, "latency", pins)
            errors.append(percent(milliseconds(fast, free), published.processing_ms))
        found[what] = errors
    return found


def when_free(hardware: Hardware, layer: str) -> list[dict[str, object]]:
    """What the mapper finds by itself, beside the chip's mapping, with the link to the DRAM."""
    problem = problem_on(hardware, layer)
    pins = PARAMETERS[layer].pins(problem, hardware)
    rows: list[dict[str, object]] = []
    for objective in FREE:
        chip = best_mapping(problem, hardware, objective, pins)
        start = time.process_time()
        found = best_mapping(problem, hardware, objective)
        seconds = time.process_time() - start
        rows.append(
            {
                "layer": layer,
                "objective": objective,
                "cpu": round(seconds, 1),
                "covered": found.certificate.covered,
                "total_ms": round(milliseconds(found, hardware), 2),
                "total_ms_as_on_chip": round(milliseconds(chip, hardware), 2),
                "energy_uj": round(found.cost.total_pj / MEGA, 1),
                "energy_uj_as_on_chip": round(chip.cost.total_pj / MEGA, 1),
                "edp_over_chip": round(found.cost.edp / chip.cost.edp, 4),
                "active": found.cost.active_units,
                "mapping": found.mapping.nest(problem, names(hardware)).splitlines(),
            }
        )
    return rows


def marks_of(rows: Iterable[Row]) -> list[Mark]:
    """The figures to reach, of one row per layer."""
    rows = list(rows)
    errors = [abs(row.processing_error) for row in rows]
    traffic = max(abs(row.buffer_error) for row in rows)
    other = sum(row.active != PUBLISHED[row.layer].active for row in rows)
    return [
        Mark("latency, mean error", LATENCY_MEAN, round(sum(errors) / len(errors), 2), "%"),
        Mark("latency, worst layer", LATENCY_WORST, max(errors), "%"),
        Mark("buffer traffic, worst layer", TRAFFIC_WORST, traffic, "%"),
        Mark("layers with other active PEs", 0, other, "layers"),
    ]


def all_layers(rows: Iterable[Row]) -> dict[str, list[float]]:
    """Sums over the layers, by the model and of the chip, and the error in percent."""
    rows = [row for row in rows if row.layer in PUBLISHED]
    found = {}
    for what in ("processing_ms", "total_ms", "buffer_mb", "dram_mb"):
        model = sum(getattr(row, what) for row in rows)
        chip = sum(getattr(PUBLISHED[row.layer], what) for row in rows)
        found[what] = [round(model, 2), round(chip, 2), percent(model, chip)]
    return found


def milliseconds(found: Optimum, hardware: Hardware) -> float:
    """Latency of a mapping."""
    return found.cost.cycles / (hardware.clock_mhz * 1e3)


def percent(value: float, reference: float) -> float:
    """How much above the reference."""
    return round(100 * (value / reference - 1), 2)


def names(hardware: Hardware) -> list[str]:
    """Of levels, for loop nests."""
    return [level.name for level in hardware.levels]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without the free mapper")
    options = parser.parse_args()
    result, hardware = header("eyeriss"), load_hardware("eyeriss")
    rows = [as_on_chip(hardware, name) for name in PARAMETERS]
    show(rows)
    for what, (model, chip, error) in all_layers(rows).items():
        progress(f"{what}, all layers: {model}, chip {chip}, {error} %")
    parts = without_parts(hardware)
    layers = list(PUBLISHED)
    progress(table(["error, %", *layers], [[what, *errors] for what, errors in parts.items()]))
    free = []
    for layer in [] if options.quick else layers:
        free += when_free(hardware, layer)
        progress(f"{layer}, free: " + ", ".join(f"{row['cpu']} s" for row in free[-len(FREE) :]))
    if free:
        heads = [head for head in free[0] if head not in ("covered", "mapping")]
        progress(table(heads, [[row[head] for head in heads] for row in free]))
    marks = marks_of(row for row in rows if row.layer in PUBLISHED)
    for mark in marks:
        progress(str(mark))
    emit(
        {
            **result,
            "parameters": {"batch": BATCH, "clock_mhz": hardware.clock_mhz},
            "published": {layer: asdict(row) for layer, row in PUBLISHED.items()},
            "rows": [asdict(row) for row in rows],
            "all_layers": all_layers(rows),
            "processing_errors": dict(layers=layers, **parts),
            "free": free,
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def show(rows: list[Row]) -> None:
    """The table, on stderr."""
    heads = "layer,ms,chip,error %,PEs,chip,MB,chip,error %,total ms,chip,error %,DRAM MB,chip"
    lines = []
    for x in rows:
        chip = PUBLISHED[x.layer[:5]]
        line: list[object] = [x.layer, x.processing_ms, chip.processing_ms, x.processing_error]
        line += [x.active, chip.active, x.buffer_mb, chip.buffer_mb, x.buffer_error]
        line += [x.total_ms, chip.total_ms, x.total_error, x.dram_mb, chip.dram_mb]
        lines.append(line)
    progress(table(heads.split(","), lines))


if __name__ == "__main__":
    sys.exit(main())
