"""Latency, energy and EDP of a network: every layer on its best mapping."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import permutations

import numpy as np

from accelgen.affine.blocks import BlockProduct, common_loop, scale_name
from accelgen.affine.workload import DEFAULT_TYPE, Workload
from accelgen.energy import mac_name
from accelgen.errors import AccelgenError, InputError
from accelgen.hardware import Hardware
from accelgen.hardware.model import ANY_FORMAT
from accelgen.hardware.words import UnitKind, Words, fitting_types, words_of
from accelgen.mapper.cache import Solved
from accelgen.mapper.cost import Cost
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Problem, problem_of
from accelgen.mapper.search import Certificate, Objective
from accelgen.mapper.space import Constraints
from accelgen.networks import Layer, Network

__all__ = ["LayerResult", "NetworkResult", "layer_problem", "layer_work", "simulate"]

_INTEGER = re.compile(r"int[0-9]+")

Progress = Callable[[int, int], None]
"""Is told how many of how many distinct layers are solved."""


@dataclass(frozen=True)
class LayerResult:
    """A layer on its best mapping; ``cost`` and ``floor_cycles`` are those of one repeat.

    ``words`` say how many products an iteration of the problem is, and how many cycles it takes.
    """

    layer: Layer
    problem: Problem
    mapping: Mapping
    cost: Cost
    certificate: Certificate
    floor_cycles: float
    words: Words = Words()  # noqa: RUF009 - frozen

    @property
    def cycles(self) -> float:
        """Cycles of all repeats."""
        return self.layer.repeats * self.cost.cycles

    @property
    def energy_pj(self) -> float:
        """Energy of all repeats."""
        return self.layer.repeats * self.cost.total_pj

    @property
    def edp(self) -> float:
        """Energy-delay product of all repeats, one after the other, in pJ x cycles."""
        return self.energy_pj * self.cycles

    @property
    def least_cycles(self) -> float:
        """Cycles that no mapping on these units and this outermost memory is below: of the
        multiplications on all units, of everything moved once.
        """
        return self.layer.repeats * self.floor_cycles


@dataclass(frozen=True)
class NetworkResult:
    """The layers of a network one after the other; vector work is counted, not timed."""

    network: Network
    hardware: Hardware
    objective: Objective
    layers: tuple[LayerResult, ...]

    @property
    def cycles(self) -> float:
        """Cycles of all layers."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def energy_pj(self) -> dict[str, float]:
        """Energy by level, ``mac`` first."""
        total: dict[str, float] = {}
        for result in self.layers:
            for level, energy in result.cost.energy_pj.items():
                total[level] = total.get(level, 0.0) + result.layer.repeats * energy
        return total

    @property
    def action_pj(self) -> dict[tuple[str, str], float]:
        """Energy by level and action."""
        total: dict[tuple[str, str], float] = {}
        for result in self.layers:
            for action, energy in result.cost.action_pj.items():
                total[action] = total.get(action, 0.0) + result.layer.repeats * energy
        return total

    @property
    def seconds(self) -> float:
        """Latency."""
        return self.cycles / (self.hardware.clock_mhz * 1e6)

    @property
    def joules(self) -> float:
        """Energy of everything."""
        return sum(self.energy_pj.values()) * 1e-12

    @property
    def watts(self) -> float:
        """Mean power."""
        return self.joules / self.seconds

    @property
    def edp(self) -> float:
        """Energy-delay product in pJ x cycles."""
        return sum(self.energy_pj.values()) * self.cycles

    @property
    def utilisation(self) -> float:
        """The share of units and cycles that multiply."""
        work = sum(
            result.layer.repeats * result.problem.iterations * result.words.cycles
            for result in self.layers
        )
        return work / (self.hardware.units * self.cycles)


def simulate(
    network: Network,
    hardware: Hardware,
    objective: Objective = "edp",
    *,
    constraints: Constraints = Constraints(),  # noqa: B008 - frozen
    solved: Solved | None = None,
    progress: Progress | None = None,
) -> NetworkResult:
    """Solve every distinct layer once, and add up.

    Finished outputs have the width of the layer's first input, unfinished sums that of the output
    type, which holds them exactly.  ``constraints`` hold for every layer, ``solved`` keeps what was
    solved for later.  Raises what :func:`accelgen.mapper.search.best_mapping` raises, with the
    layer's name.
    """
    solver = solved or Solved()
    distinct = list(dict.fromkeys((x.workload, x.weights) for x in network.matrix_layers))
    found = {}
    for number, (workload, weights) in enumerate(distinct):
        if progress is not None:
            progress(number, len(distinct))
        try:
            problem, words = layer_work(workload, weights, hardware)
            own = words.paced(hardware, problem.number_format)
            optimum = solver.best_mapping(problem, own, objective, constraints)
            found[workload, weights] = problem, words, optimum
        except AccelgenError as error:
            name = next(x.name for x in network.matrix_layers if x.workload == workload)
            error.where = f"{network.name}: {name}: {error.where or hardware.name}"
            raise
    results = []
    for layer in network.matrix_layers:
        problem, words, optimum = found[layer.workload, layer.weights]
        floor = _floor_cycles(problem, hardware, words)
        cost = optimum.cost.slowed(words.cycles)
        results.append(
            LayerResult(layer, problem, optimum.mapping, cost, optimum.certificate, floor, words)
        )
    return NetworkResult(network, hardware, objective, tuple(results))


def layer_problem(workload: Workload, weights: str | None, hardware: Hardware) -> Problem:
    """The problem of a layer: outputs are as wide as its first input, sums as the hardware says.

    Of block formats a unit takes a block of each input per cycle; outputs have as many bits as an
    element of the first input with its part of the scale, rounded up.  What a product of blocks
    takes has to be known: a ``mac_pj`` for any format does not stand for it.
    Integers that the hardware has no units for are those of the narrowest that hold them: int8 on
    units of int16 is stored and multiplied as int16, int4 on units of int4*int8 as one of each.
    On units of widths chosen at run time an iteration is one of words: see :func:`layer_work`.
    """
    return layer_work(workload, weights, hardware)[0]


def layer_work(
    workload: Workload, weights: str | None, hardware: Hardware
) -> tuple[Problem, Words]:
    """The problem of a layer, and what an iteration of it is on these units.

    On composable and bit-serial units words lie along the innermost summed loop that is by itself
    an index of both inputs.  Where there is none (depthwise convolutions) a word is one element.
    :meth:`accelgen.hardware.words.Words.paced` gives the hardware on which to map the problem.
    """
    formats = tuple(hardware.mac_pj)
    if hardware.unit == "plain":
        return _problem(workload, weights, formats, hardware.sum_bits), Words()
    return _words(workload, weights, formats, hardware.sum_bits, hardware.unit, hardware.lanes)


@lru_cache(maxsize=4096)
def _words(
    workload: Workload,
    weights: str | None,
    formats: tuple[str, ...],
    sum_bits: int | None,
    unit: UnitKind,
    lanes: int,
) -> tuple[Problem, Words]:
    tensors = [access.tensor for access in workload.assignment.inputs]
    own = tuple(workload.types.get(tensor, DEFAULT_TYPE) for tensor in tensors)
    types = fitting_types(own, formats)
    if types is None:
        raise InputError(
            f"no {unit} units for {'*'.join(own)}",
            where="mac_pj",
            hint="use integers of 2 to 8 bits that it has energies for",
        )
    output = workload.assignment.output.tensor
    kept = {output: workload.types[output]} if output in workload.types else {}
    held = replace(workload, types={**kept, **dict(zip(tensors, types, strict=True))})
    bits = [access.format.bits for access in held.accesses if not access.is_output]
    problem = problem_of(held, weights=weights, output_bits=bits[0], partial_bits=sum_bits)
    try:
        loop = common_loop(workload.assignment, "words") if len(tensors) == 2 else None
    except InputError:
        loop = None
    if loop is None:
        return problem, words_of(unit, lanes, bits, None)
    words = words_of(unit, lanes, bits, workload.bounds[loop])
    return problem.in_words(loop, words.elements), words


@lru_cache(maxsize=4096)
def _problem(
    workload: Workload, weights: str | None, formats: tuple[str, ...], sum_bits: int | None
) -> Problem:
    work = workload
    problem = problem_of(work, weights=weights)
    if ANY_FORMAT not in formats and mac_name(problem.number_format) not in map(mac_name, formats):
        wider = _wider(workload, formats)
        if wider is not None:
            work = replace(workload, types=wider)
    bits = work.accesses[0].format.bits
    if isinstance(work.product, BlockProduct):
        if mac_name(problem.number_format) not in map(mac_name, formats):
            raise InputError(
                f"no units for {problem.number_format}",
                where="mac_pj",
                hint=f"give mac_pj an entry {problem.number_format}, pJ of a product of blocks",
            )
        scale = next(x for x in work.accesses if x.name == scale_name(work.accesses[0].name))
        bits = -(-(bits + scale.format.bits) // work.product.pair.lanes)
    return problem_of(work, weights=weights, output_bits=bits, partial_bits=sum_bits)


def _wider(workload: Workload, formats: tuple[str, ...]) -> dict[str, str] | None:
    """Types of the inputs that hold theirs and that one of ``formats`` multiplies together."""
    tensors = [access.tensor for access in workload.assignment.inputs]
    needed = _widths([workload.types.get(tensor, DEFAULT_TYPE) for tensor in tensors])
    if needed is None:
        return None
    fitting = set[tuple[int, ...]]()
    for name in formats:
        # One input is summed by what multiplies two of its type.
        widths = _widths(mac_name(name).split("*"))
        if widths is None or (len(needed) == 1 and len(set(widths)) > 1):
            continue
        for order in permutations(widths, len(needed)):
            if all(has >= wants for has, wants in zip(order, needed, strict=True)):
                fitting.add(order)
    if not fitting:
        return None
    # Of two that are as wide in all, the one with the narrower later inputs: weights.
    narrowest = min(fitting, key=lambda widths: (sum(widths), widths[::-1]))
    return {tensor: f"int{bits}" for tensor, bits in zip(tensors, narrowest, strict=True)}


def _widths(types: Sequence[str]) -> tuple[int, ...] | None:
    """Bits of plain signed integers, ``None`` when there are others."""
    if not all(_INTEGER.fullmatch(name) for name in types):
        return None
    return tuple(int(name.removeprefix("int")) for name in types)


def _floor_cycles(problem: Problem, hardware: Hardware, words: Words) -> float:
    compute = problem.iterations * words.cycles / hardware.units
    bandwidth = hardware.levels[-1].memories[0].bandwidth
    if bandwidth is None:
        return compute
    whole = np.array([problem.bounds], dtype=np.int64)
    bits = sum(int(x.footprint(whole)[0]) * x.bits for x in problem.operands)
    return max(compute, bits / (8 * bandwidth))
