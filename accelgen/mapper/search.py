"""The best mapping, with the proof: every mapping of the space is covered by a bound.

The space, for an array under one buffer and an outermost memory:

- each axis of the array unrolls one loop, as far as it goes, or none;
- the buffer holds tiles that are a whole number of array steps along every loop, for each number
  of tiles the smallest such (larger ones take more room and move the same), as many buffers of
  each operand as the level has (one of an operand that never changes);
- any order of the loops over tiles, within the buffer and outside.  Loops that move the same
  operands are alike, and an order that mixes them with others is never better than one in which
  they stand together, so that orders of such groups stand for all.

Bounds are computed for all candidates of an unrolling at once: the traffic of every order by
:func:`accelgen.mapper.counts.least_moved`, cycles as the longer of all traffic and of all compute
with the first load and the last store.  Candidates are then evaluated exactly, best bound first,
until no bound is below the best value found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InfeasibleError, InputError
from accelgen.hardware import Hardware
from accelgen.mapper.cost import Cost, cost, most_steps
from accelgen.mapper.counts import least_moved
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Problem, Sizes

__all__ = ["Certificate", "Objective", "Optimum", "best_mapping", "value_of"]

Objective = Literal["latency", "energy", "edp"]

_BATCH = 1 << 18
"""Candidates bounded at a time."""


@dataclass(frozen=True)
class Certificate:
    """Why no mapping of the space is better.

    ``covered`` mappings: ``too_large`` do not fit the buffer, ``bounded`` have a bound no better
    than the best value, ``evaluated`` were evaluated exactly (those equal to another one in every
    bound and count included with it).
    """

    covered: int
    too_large: int
    bounded: int
    evaluated: int

    def check(self) -> None:
        """Assert that every mapping is accounted for."""
        assert self.covered == self.too_large + self.bounded + self.evaluated


@dataclass(frozen=True)
class Optimum:
    """The best mapping, its cost, and the proof."""

    mapping: Mapping
    cost: Cost
    certificate: Certificate


@dataclass(frozen=True, eq=False)
class _Family:
    """All candidates of one unrolling that fit: their tiles, and a bound per tile and orders."""

    step: tuple[int, ...]
    axes: tuple[tuple[str, int], ...]
    tiles: Sizes
    bounds: NDArray[np.float64]
    inner: tuple[tuple[int, ...], ...]
    outer: tuple[tuple[int, ...], ...]


def value_of(found: Cost, objective: Objective) -> float:
    """What is minimised."""
    if objective == "latency":
        return found.cycles
    return found.total_pj if objective == "energy" else found.edp


def best_mapping(problem: Problem, hardware: Hardware, objective: Objective = "edp") -> Optimum:
    """The mapping of the space (see above) with the least latency, energy or EDP.

    Raises:
        InputError: the hardware has not exactly two levels.
        InfeasibleError: not even the smallest tiles fit the buffer.
    """
    if len(hardware.levels) != 2:
        raise InputError(
            f"{len(hardware.levels)} levels", where=hardware.name, hint="use a buffer and a memory"
        )
    covered = too_large = evaluated = 0
    best: tuple[float, Mapping, Cost] | None = None
    least_short: tuple[int, tuple[int, ...]] | None = None
    families = []
    for axes in _unrollings(problem, hardware):
        family, space, unfit, shortest = _bounded(problem, hardware, axes, objective)
        covered += space
        too_large += unfit
        if shortest is not None and (least_short is None or shortest < least_short):
            least_short = shortest
        if family is not None:
            families.append(family)
    families.sort(key=lambda family: float(family.bounds.min()))
    for family in families:
        order = np.argsort(family.bounds, axis=None, kind="stable")
        for flat in order.tolist():
            bound = family.bounds.reshape(-1)[flat]
            if best is not None and bound >= best[0]:
                break
            tile, inner, outer = np.unravel_index(flat, family.bounds.shape)
            mapping = Mapping(
                (family.step, tuple(family.tiles[tile].tolist()), problem.bounds),
                (family.inner[inner], family.outer[outer]),
                family.axes,
            )
            evaluated += 1
            if prod(-(-n // t) for n, t in zip(problem.bounds, mapping.tiles[1], strict=True)) > (
                most_steps
            ):
                raise InputError("too many tiles", where=hardware.name, hint="use a larger buffer")
            exact = cost(problem, hardware, mapping)
            value = value_of(exact, objective)
            assert value >= bound * (1 - 1e-9), "a bound above the value"
            if best is None or value < best[0]:
                best = value, mapping, exact
    if best is None:
        raise _does_not_fit(problem, hardware, least_short)
    certificate = Certificate(covered, too_large, covered - too_large - evaluated, evaluated)
    certificate.check()
    return Optimum(best[1], best[2], certificate)


def _unrollings(problem: Problem, hardware: Hardware) -> Iterator[tuple[tuple[str, int], ...]]:
    """A loop, or none, for every axis; no loop on two axes."""
    choices: list[list[int | None]] = []
    for axis in hardware.array:
        allowed = hardware.unrolls.get(axis, problem.loops)
        loops = [d for d, loop in enumerate(problem.loops) if loop in allowed]
        choices.append([None, *(d for d in loops if problem.bounds[d] > 1)])
    seen = set()
    for chosen in product(*choices):
        axes = tuple((a, d) for a, d in zip(hardware.array, chosen, strict=True) if d is not None)
        alike = frozenset((hardware.array[a], d) for a, d in axes)
        if len({d for _, d in axes}) == len(axes) and alike not in seen:
            seen.add(alike)
            yield axes


def _bounded(
    problem: Problem, hardware: Hardware, axes: tuple[tuple[str, int], ...], objective: Objective
) -> tuple[_Family | None, int, int, tuple[int, tuple[int, ...]] | None]:
    """Bound every candidate of an unrolling; how many there are, and how many do not fit."""
    step = [1] * len(problem.bounds)
    for axis, d in axes:
        step[d] = min(hardware.array[axis], problem.bounds[d])
    choices = [_tile_sizes(n, s) for n, s in zip(problem.bounds, step, strict=True)]
    tiles = np.stack([a.reshape(-1) for a in np.meshgrid(*choices, indexing="ij")], axis=1)
    orders = tuple(
        tuple(d for group in groups for d in group) for groups in permutations(problem.groups)
    )
    pairs = len(orders) ** 2
    buffer = hardware.levels[0]
    bits = _room(problem, tiles, buffer.buffers)
    fits = bits <= 8 * buffer.size if buffer.size is not None else bits >= 0
    space, unfit = len(tiles) * pairs, int((~fits).sum()) * pairs
    if not fits.any():
        smallest = int(bits.argmin())
        short = (int(bits[smallest]), tuple(tiles[smallest].tolist()))
        return None, space, unfit, short
    tiles = tiles[fits]
    bounds = np.concatenate(
        [
            _bounds(problem, hardware, tuple(step), tiles[at : at + _BATCH], orders, objective)
            for at in range(0, len(tiles), _BATCH)
        ]
    )
    return _Family(tuple(step), axes, tiles, bounds, orders, orders), space, unfit, None


def _tile_sizes(bound: int, step: int) -> Sizes:
    """For every possible number of tiles the smallest size, in whole steps."""
    steps = -(-bound // step)
    counts = np.unique(-(-steps // np.arange(1, steps + 1)))
    return np.minimum(counts * step, bound).astype(np.int64)


def _room(problem: Problem, tiles: Sizes, buffers: int) -> NDArray[np.int64]:
    """Bits that the tiles take: of operands that change as many buffers as there are."""
    bits = np.zeros(len(tiles), dtype=np.int64)
    bounds = np.array(problem.bounds, dtype=np.int64)
    for operand in problem.operands:
        loops = sorted(operand.loops)
        changes = (tiles[:, loops] < bounds[loops]).any(axis=1)
        bits += operand.footprint(tiles) * operand.partial_bits * np.where(changes, buffers, 1)
    return bits


def _bounds(
    problem: Problem,
    hardware: Hardware,
    step: tuple[int, ...],
    tiles: Sizes,
    orders: Sequence[tuple[int, ...]],
    objective: Objective,
) -> NDArray[np.float64]:
    """Per tile, inner order and outer order a value that no exact one is below."""
    buffer, memory = hardware.levels
    steps = np.broadcast_to(np.array(step, dtype=np.int64), tiles.shape)
    whole = {
        operand.name: int(operand.footprint(np.array([problem.bounds], dtype=np.int64))[0])
        for operand in problem.operands
    }

    def bits(
        levels: Sequence[Sizes], nests: Sequence[Sequence[int]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bits into a level and out of it."""
        down, up = np.zeros(len(tiles)), np.zeros(len(tiles))
        for operand in problem.operands:
            elements = least_moved(problem, levels, nests, operand)
            if operand.is_output:
                again = (elements - whole[operand.name]) * operand.partial_bits
                down += again
                up += again + whole[operand.name] * operand.bits
            else:
                down += elements * operand.bits
        return down, up

    compute = prod(-(-n // s) for n, s in zip(problem.bounds, step, strict=True))
    rate = 8 * memory.bandwidth if memory.bandwidth else np.inf
    ends = (np.array(problem.bounds) - 1) % tiles + 1
    first, last = np.zeros(len(tiles)), np.zeros(len(tiles))
    for operand in problem.operands:
        if operand.is_output:
            last += operand.footprint(ends) * operand.bits / rate
        else:
            first += operand.footprint(tiles) * operand.bits / rate
    mac = problem.iterations * hardware.mac_pj
    found = np.empty((len(tiles), len(orders), len(orders)))
    for o, outer in enumerate(orders):
        down, up = bits([tiles], [outer])
        traffic = (down + up) / rate
        if buffer.buffers == 2:
            cycles = np.maximum(traffic, first + compute + last)
        else:
            cycles = traffic + compute
        memory_pj = down * (memory.read_pj + buffer.write_pj) + up * (
            memory.write_pj + buffer.read_pj
        )
        for i, inner in enumerate(orders):
            down, up = bits([steps, tiles], [inner, outer])
            time = cycles
            if buffer.bandwidth is not None:
                time = np.maximum(cycles, (down + up) / (8 * buffer.bandwidth))
            energy = mac + memory_pj + down * buffer.read_pj + up * buffer.write_pj
            found[:, i, o] = {"latency": time, "energy": energy, "edp": energy * time}[objective]
    return found


def _does_not_fit(
    problem: Problem, hardware: Hardware, short: tuple[int, tuple[int, ...]] | None
) -> InfeasibleError:
    buffer = hardware.levels[0]
    assert short is not None
    assert buffer.size is not None
    bits, tile = short
    needs = {
        operand.name: int(operand.footprint(np.array([tile], dtype=np.int64))[0])
        for operand in problem.operands
    }
    largest = max(needs, key=lambda name: needs[name])
    return InfeasibleError(
        f"the smallest tiles need {-(-bits // 8)} bytes, {buffer.name} has {buffer.size}; "
        f"most of it is {largest}",
        where=hardware.name,
        hint=f"give {buffer.name} {-(-bits // 8)} bytes, or a smaller array",
    )
