"""What is known of a point before anything of it is designed, evaluated or measured.

Counts in closed form (:mod:`accelgen.realize.counts`), of which cycles and energy are made, and
first estimates of these: cycles without the latency of a pipeline and without waits, energy with
memories as large as the operands, no leakage, no scales of blocks, and no registers that a pipeline
adds.  Over 400 random points of the search ``digits`` both are low by a fifth, and deviate by a
quarter (latency) and a third (energy; standard deviations of logarithms), in about a hundredth of
the time; optimisers learn the rest from what was evaluated
(:mod:`accelgen.search.optimisers.model`).  Of accuracy there is no estimate, only the noise that
rounding adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import ceil, log, prod

from accelgen.bits.table import element_bits
from accelgen.digits.supernet import load_supernet
from accelgen.energy import Energies, load_energies
from accelgen.realize.counts import (
    INPUT,
    OUTPUT,
    WEIGHT,
    Counts,
    Shape,
    counts_of,
    extents_of,
    tiles_of,
    total,
    widths_of,
    word_bounds_of,
)
from accelgen.realize.estimate import FACTORS, product_pj
from accelgen.realize.kernel import LOOPS, MULTIPLIERS, Kernel
from accelgen.realize.point import Point
from accelgen.realize.structure import BUS_BITS, PAGES, STAGE_BITS, Banks, banks
from accelgen.realize.words import BLOCK_BITS

__all__ = ["forecast_of"]

_SUM_BITS = 32
_WORD_BITS = 32
"""Of words of composable multipliers: the most activations or weights that one takes."""

_UNIT_BITS = 60
"""Registers of a unit, roughly: both elements and a sum."""

_LEAST_PJ = 1e-3
"""Parts of energy below, such as those of wires where a technology has none, are taken as this."""

_CHANGED = 0.75
"""Of the memories of a tensor that moves, how many have another address, roughly (of 0.5, 0.75 and
1 that with which first estimates deviate the least)."""

_LAYER_CYCLES = 45
"""Latency of the array and of the output stage, roughly."""

Memories = tuple[Banks, Banks, Banks]


def forecast_of(point: Point) -> tuple[dict[str, float], dict[str, float]]:
    """Numbers by name, the same names for all points, and first estimates of figures.

    Of counts and sizes the logarithms.  Of all layers together those of
    :class:`~accelgen.realize.counts.Counts`; of the design size, number and depth of the memories,
    whether results accumulate, the kernel's own numbers; of the network layers, bits and ``noise``
    of rounding; the parts of the first estimate of energy.

    Raises :class:`accelgen.errors.InputError` when the technology has no such products or memories.
    """
    kernel, energies = point.kernel, load_energies(point.technology)
    layers = load_supernet().space.layers(point.architecture)
    largest, products_pj = dict.fromkeys(LOOPS, 1), 0.0
    counted = []
    for layer in layers:
        bits = point.bits[layer.name]
        widths, count = widths_of(kernel, bits)
        bounds = word_bounds_of(layer, count)
        largest = {loop: max(largest[loop], bounds[loop]) for loop in LOOPS}
        counted.append(counts_of(kernel, layer, bits))
        inside, every = counted[-1].products, counted[-1].steps * kernel.units
        taken = inside + FACTORS.outside * (every - inside)
        products_pj += taken * count * product_pj(kernel, widths, energies)
    counts = total(counted)
    cycles = counts.cycles + _LAYER_CYCLES * len(layers)
    accumulates = any(loop not in OUTPUT.moving for loop in kernel.order[: len(OUTPUT.moving)])
    memories = _memories(kernel, largest, accumulates, energies)
    parts = _first_energy(kernel, counts, cycles, memories, accumulates, energies)
    parts["products"] = products_pj
    found = {name: log(max(1.0, x)) for name, x in asdict(counts).items()}
    for name in ("input", "weight", "result"):
        found[f"{name}_waits"] = log(1.0 + getattr(counts, f"{name}_waits") / cycles)
    found |= {f"energy_{name}": log(max(pj, _LEAST_PJ)) for name, pj in parts.items()}
    for name, memory in zip(("input", "weight", "output"), memories, strict=True):
        found[f"{name}_banks"], found[f"{name}_words"] = log(memory.count), log(memory.words)
        found[f"{name}_macro"] = float(memory.macro)
    found["accumulates"] = float(accumulates)
    found |= _kernel_traits(kernel, largest)
    for name in ("activations", "weights"):
        widths_ = [element_bits(getattr(bits, name)) for bits in point.bits.values()]
        found[f"{name}_bits"] = sum(widths_) / len(widths_)
        found[f"{name}_noise"] = log(sum(4.0**-x for x in widths_))
    found["layers"] = float(len(layers))
    nanoseconds, picojoules = cycles * point.period_ns, max(sum(parts.values()), _LEAST_PJ)
    first = {
        "cycles": cycles,
        "latency_ms": nanoseconds / 1e6,
        "energy_uj": picojoules / 1e6,
        "edp_js": nanoseconds * picojoules / 1e21,
    }
    found |= {f"first_{name}": log(x) for name, x in first.items()}
    return found, first


def _first_energy(
    kernel: Kernel,
    counts: Counts,
    cycles: float,
    memories: Memories,
    accumulates: bool,
    energies: Energies,
) -> dict[str, float]:
    """Picojoules by part, without products, as :func:`accelgen.realize.estimate.energy_of`."""
    link, bus = energies.link_pj, kernel.bus_bits
    found = {}
    *inputs, output = memories
    read = _CHANGED * FACTORS.read
    for name, memory, beats, moves in (
        ("inputs", inputs[0], counts.input_beats, counts.input_moves),
        ("weights", inputs[1], counts.weight_beats, counts.weight_moves),
    ):
        reads = cycles if memory.macro else read * moves
        written = bus * memory.cost.write_pj  # in macros; flip-flops all see what a beat brings
        if not memory.macro:
            written = FACTORS.write * memory.count * memory.write_pj
        found[name] = beats * written + memory.count * reads * memory.read_pj
    reads = output.count * counts.sums * output.width / bus
    found["results"] = reads * output.read_pj * (1.0 if output.macro else FACTORS.read)
    found["results"] += counts.sums * output.write_pj
    if accumulates:
        update = FACTORS.accumulate * (output.write_pj + 3 * output.width * link)
        found["results"] += output.count * counts.updates * (read * output.read_pj + update)
    found["output"] = FACTORS.sum_bits * counts.sums * link
    flops = BUS_BITS * bus + _UNIT_BITS * kernel.units
    gates = 0
    for memory in memories:
        if not memory.macro:
            flops += memory.count * memory.width
            gates += memory.count * PAGES * memory.words
    bits = FACTORS.bit * flops + FACTORS.stage * STAGE_BITS + FACTORS.gate * gates
    found["clock"] = bits * cycles * link
    return found


def _memories(
    kernel: Kernel, largest: Mapping[str, int], accumulates: bool, energies: Energies
) -> Memories:
    """Those of input, weights and results: a memory for every element that is taken in a step, and
    of the last dimension for every one of a beat.
    """
    word = weights = 8 * kernel.lanes
    if kernel.multiplier == "composable":
        word = weights = _WORD_BITS
    elif kernel.lanes > 1:
        weights = BLOCK_BITS * kernel.lanes
    extents = extents_of(kernel)

    def made(shape: Shape, width: int, accumulates: bool = False) -> Banks:
        *others, last = shape.of(extents)
        count = prod(others) * max(last, kernel.bus_bits // width)
        words = max(2, ceil(prod(shape.of(largest)) / count))
        return banks(count, words, width, accumulates, energies)

    return made(INPUT, word), made(WEIGHT, weights), made(OUTPUT, _SUM_BITS, accumulates)


def _kernel_traits(kernel: Kernel, largest: Mapping[str, int]) -> dict[str, float]:
    extents = extents_of(kernel)
    tiles = tiles_of(largest, extents)
    innermost = next((x for x in reversed(kernel.order) if tiles[x] > 1), None)
    skewed = {loop for (loop, _), skew in zip(kernel.space, kernel.skewed, strict=True) if skew}
    found = {f"multiplier_{kind}": float(kernel.multiplier == kind) for kind in MULTIPLIERS}
    found |= {"units": log(kernel.units), "bus": log(kernel.bus_bits)}
    for loop in LOOPS:
        found[f"extent_{loop}"] = log(extents[loop])
        found[f"skewed_{loop}"] = float(loop in skewed)
        found[f"innermost_{loop}"] = float(loop == innermost)
        # Bounds are registers: what stays follows the order of all loops, of one tile or more.
        found[f"last_{loop}"] = float(loop == kernel.order[-1])
    return found
