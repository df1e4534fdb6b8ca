"""What is known of a point before anything of it is designed, evaluated or measured.

First estimates of cycles and energy, from the layout of its kernel in closed form
(:mod:`accelgen.realize.sketch`) by the formulas of the cycle model and of
:mod:`accelgen.realize.estimate`; of the netlist, the latency of its pipeline and the registers of
its array, there are rough numbers.  Optimisers learn the rest from what was evaluated
(:mod:`accelgen.search.optimisers.model`).  Of accuracy there is no estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from math import log, prod

from accelgen.bits.table import element_bits
from accelgen.digits.supernet import load_supernet
from accelgen.energy import Energies, load_energies
from accelgen.names import FrozenMap
from accelgen.realize.estimate import PARTS, energy_of_work, word_pj
from accelgen.realize.kernel import LOOPS, MULTIPLIERS, Kernel
from accelgen.realize.point import Point
from accelgen.realize.program import CODE_BITS
from accelgen.realize.shape import shape_of
from accelgen.realize.sketch import OUTPUT, KernelSketch, sketch_of, tiles_of
from accelgen.realize.structure import Buffer, Structure, structure_from
from accelgen.realize.work import Work
from accelgen.rtl.output_stage.form import StageForm
from accelgen.rtl.output_stage.stage import OutputStage
from accelgen.rtl.streams.loader import Loader

__all__ = ["forecast_of"]

_UNIT_BITS = {
    ("composable", False, False): 129, ("composable", False, True): 190,
    ("composable", True, False): 19, ("composable", True, True): 5,
    ("plain", False, False): 3, ("plain", False, True): 16,
    ("plain", True, False): 19, ("plain", True, True): 3,
}  # fmt: skip
"""Register bits of a unit, roughly, beside those of chains: by multiplier, whether sums stay, and
whether units add up.  These and the next are medians of 500 designs that searches evaluated;
``benchmarks/first_estimates.py`` has those of random ones, and how far estimates are off.
"""

_SKEW_BITS = {"composable": 75, "plain": 35}
"""More of a unit, roughly, for every axis along which units are a cycle apart."""

_PIPELINE_CYCLES = {"composable": 5, "plain": 3}
"""Of products, roughly; two more for every three levels of an adder tree."""

_ADDED_CYCLES = 2
"""More until a sum is written where it is added up."""

_CHUNK = 4
"""Bits of its multipliers that the output stage works off in a cycle, at the pipeline's own clock
in SG13G2.
"""

_LEAST_PJ = 1e-3
"""Parts of energy below, such as those of wires where a technology has none, are taken as this."""


def forecast_of(point: Point) -> tuple[dict[str, float], dict[str, float]]:
    """Numbers by name, the same names for all points, and first estimates of figures.

    The parts of the estimates (cycles of iterations, of waiting, of loading and of sending;
    energy), logarithms; the memories, whether results accumulate, the kernel's own numbers; of the
    network layers, products, bits and ``noise`` of rounding.

    Raises :class:`accelgen.errors.InputError` when the technology has no such products or memories.
    """
    kernel, energies = point.kernel, load_energies(point.technology)
    layers = load_supernet().space.layers(point.architecture)
    shapes = [shape_of(kernel, layer, point.bits[layer.name]) for layer in layers]
    largest = FrozenMap({loop: max(shape.bounds[loop] for shape in shapes) for loop in LOOPS})
    sketch = sketch_of(kernel, largest)
    structure = _structure(kernel, sketch, largest, energies)
    cycles = dict.fromkeys(("steps", "waits", "load", "send"), 0)
    parts = dict.fromkeys(PARTS, 0.0)
    for shape in shapes:
        work, taken = _laid_out(kernel, largest, shape.bounds)
        each_pj = word_pj(kernel, shape.widths, shape.count, shape.channels, energies)
        own = sum(taken.values())
        found = energy_of_work(kernel, work, each_pj, structure, energies, own)
        cycles = {name: cycles[name] + taken[name] for name in cycles}
        parts = {name: parts[name] + found[name] for name in parts}
    every = sum(cycles.values())
    nanoseconds, picojoules = every * point.period_ns, max(sum(parts.values()), _LEAST_PJ)
    first = {
        "cycles": float(every),
        "latency_ms": nanoseconds / 1e6,
        "energy_uj": picojoules / 1e6,
        "edp_js": nanoseconds * picojoules / 1e21,
    }
    traits = {f"first_{name}": log(x) for name, x in first.items()}
    traits |= {name: log(1.0 + x) for name, x in cycles.items()}
    traits |= {f"energy_{name}": log(max(pj, _LEAST_PJ)) for name, pj in parts.items()}
    traits |= _structure_traits(structure, sketch)
    traits |= _kernel_traits(kernel, sketch, largest)
    for name in ("activations", "weights"):
        bits = [element_bits(getattr(both, name)) for both in point.bits.values()]
        traits[f"{name}_bits"] = sum(bits) / len(bits)
        traits[f"{name}_noise"] = log(sum(4.0**-x for x in bits))
    products = sum(shape.products for shape in shapes)
    return traits | {"layers": float(len(layers)), "products": log(products)}, first


@lru_cache(maxsize=1 << 10)
def _laid_out(
    kernel: Kernel, largest: FrozenMap[str, int], bounds: FrozenMap[str, int]
) -> tuple[Work, FrozenMap[str, int]]:
    """A layer on a kernel for up to ``largest`` bounds: what :func:`accelgen.realize.work.work_of`
    has of a design; its cycles of steps, of what else the array takes, of loading and of sending
    (:func:`accelgen.cycles.model_cycles`).  Layers of one network are often alike.
    """
    sketch = sketch_of(kernel, largest)
    schedule = sketch.schedule(bounds)
    # Looked up so often that plain dictionaries are worth it.
    nest = sketch.order, dict(sketch.extents), dict(bounds)
    inputs = tuple(tensor.traffic(*nest) for tensor in sketch.inputs)
    output = sketch.output.traffic(*nest)
    work = Work(prod(bounds.values()), schedule.steps, inputs, output, sketch.accumulates)
    stage = StageForm(CODE_BITS, _CHUNK, largest["k"], largest["p"], largest["q"])
    layouts = [traffic.layout for traffic in inputs]
    layouts.append(stage.parameters(bounds["k"], kernel.bus_bits))
    written = sketch.output.turns + _ADDED_CYCLES * sketch.accumulates + _pipeline(kernel)
    cycles = {
        "steps": schedule.steps,
        "waits": schedule.prologue + schedule.issue - schedule.steps + schedule.drain + written,
        "load": max(map(Loader.cycles, layouts)),
        "send": OutputStage.cycles(stage, output.layout),
    }
    return work, FrozenMap(cycles)


def _pipeline(kernel: Kernel) -> int:
    """Latency of the array, roughly."""
    added = prod(n for loop, n in kernel.space if loop not in OUTPUT)
    return _PIPELINE_CYCLES[_kind(kernel)] + -(-2 * (added - 1).bit_length() // 3)


def _kind(kernel: Kernel) -> str:
    return "composable" if kernel.multiplier == "composable" else "plain"


def _structure(
    kernel: Kernel, sketch: KernelSketch, largest: Mapping[str, int], energies: Energies
) -> Structure:
    """As :func:`accelgen.realize.structure.structure_of` has it of a design."""
    tensors = *sketch.inputs, sketch.output
    buffers = [Buffer(prod(x.moduli), x.words(largest), x.bits, x.slots, x.turns) for x in tensors]
    buffers[-1] = replace(buffers[-1], accumulates=sketch.accumulates)
    kind = _kind(kernel)
    sums = any(loop not in OUTPUT for loop, n in kernel.space if n > 1)
    unit = _UNIT_BITS[kind, sketch.output.level < len(LOOPS), sums]
    unit += _SKEW_BITS[kind] * sum(kernel.skewed)
    lines = unit * kernel.units + sum(x.chain.registers * x.bits for x in tensors)
    return structure_from(buffers, lines, kernel.bus_bits, largest["k"], energies)


def _structure_traits(structure: Structure, sketch: KernelSketch) -> dict[str, float]:
    """Of the memories of inputs, weights and results, without scales."""
    *inputs, output = structure.memories
    found = {}
    for name, memory in (
        ("input", inputs[0]), ("weight", inputs[len(inputs) // 2]), ("output", output)
    ):  # fmt: skip
        found[f"{name}_banks"], found[f"{name}_words"] = log(memory.count), log(memory.words)
        found[f"{name}_macro"] = float(memory.macro)
    tensors = sketch.inputs[0], sketch.inputs[len(inputs) // 2], sketch.output
    for name, tensor in zip(("input", "weight", "output"), tensors, strict=True):
        found[f"{name}_stays"] = float(tensor.level < len(LOOPS))
        found[f"{name}_chain"] = log(tensor.chain.length)
        found[f"{name}_slots"] = log(tensor.slots)
    found["lines"], found["around"] = log(structure.lines), log(max(1, structure.around))
    return found | {"accumulates": float(sketch.accumulates)}


def _kernel_traits(
    kernel: Kernel, sketch: KernelSketch, largest: Mapping[str, int]
) -> dict[str, float]:
    extents = sketch.extents
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
