"""The best mapping, with the proof: every mapping of the space is covered by a bound.

The space, for an array under one buffer and an outermost memory:

- each axis of the array unrolls one loop, as far as it goes, or none;
- the buffer holds tiles that are a whole number of array steps along every loop, for each number
  of tiles the smallest such (larger ones take more room and move the same), as many buffers of
  each operand as the level has (one of an operand that never changes);
- any order of the loops over tiles, within the buffer and outside.  Loops that move the same
  operands are alike, and an order that mixes them with others is never better than one in which
  they stand together; loops that move all operands are best outermost.  Orders of such groups
  stand for all.

Bounds (:mod:`accelgen.mapper.bounds`) come in three steps, each for many candidates at once: of an
unrolling; of its tiles and the order outside; with the order within.  What is left is evaluated
exactly, best bound first, until no bound is below the best value found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, permutations, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InfeasibleError, InputError
from accelgen.hardware import Hardware
from accelgen.mapper.bounds import Bounds, Objective
from accelgen.mapper.cost import Cost, cost
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Problem, Sizes

__all__ = ["Certificate", "Objective", "Optimum", "best_mapping", "value_of"]

Axes = tuple[tuple[str, int], ...]
"""The loop that an axis of the array unrolls, for those that unroll one."""

_BATCH = 1 << 14
"""Candidates bounded at a time."""

_BEAM = 64
"""Tiles kept on the way to a first mapping."""


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
    search = _Search(problem, hardware, objective)
    unrollings = list(_unrollings(problem, hardware))
    floors = [search.bounds.floor(_step(problem, hardware, axes)) for axes in unrollings]
    for number in np.argsort(floors, kind="stable").tolist():
        search.visit(unrollings[number], floors[number])
    if search.best is None:
        raise _does_not_fit(problem, hardware, search.smallest)
    _, mapping, found = search.best
    bounded = search.covered - search.too_large - search.evaluated
    certificate = Certificate(search.covered, search.too_large, bounded, search.evaluated)
    certificate.check()
    return Optimum(mapping, found, certificate)


class _Search:
    """The best mapping so far, and what has been covered."""

    def __init__(self, problem: Problem, hardware: Hardware, objective: Objective) -> None:
        self.problem, self.hardware, self.objective = problem, hardware, objective
        self.bounds = Bounds(problem, hardware, objective)
        self.orders = _orders(problem)
        self.covered = self.too_large = self.evaluated = 0
        self.best: tuple[float, Mapping, Cost] | None = None
        self.smallest: tuple[int, tuple[int, ...]] | None = None

    def visit(self, axes: Axes, floor: float) -> None:
        """Cover all mappings of an unrolling, none of which has a value below ``floor``."""
        step = _step(self.problem, self.hardware, axes)
        choices = [_tile_sizes(n, s) for n, s in zip(self.problem.bounds, step, strict=True)]
        pairs = len(self.orders) ** 2
        self.covered += prod(map(len, choices)) * pairs
        if self._is_settled(floor):
            return
        if self.best is None:
            # Any good mapping will do to begin with: it is what most others are measured by.
            tiles = self._grown(step, choices, most=_BEAM)
            rough = self._outside(step, tiles, tiles)
            if len(tiles):
                o, at = np.unravel_index(int(rough.argmin()), rough.shape)
                self._evaluate(axes, step, tiles[[at]], self.orders[o], rough[o, [at]])
        tiles = self._grown(step, choices, pairs=pairs)
        rough = self._outside(step, tiles, tiles)
        # The most promising orders first: what they leave makes short work of the others.
        for o in np.argsort(rough.min(axis=1, initial=np.inf), kind="stable").tolist():
            open_ones = ~self._are_settled(rough[o])
            self._evaluate(axes, step, tiles[open_ones], self.orders[o], rough[o, open_ones])

    def _grown(
        self,
        step: tuple[int, ...],
        choices: Sequence[Sizes],
        *,
        most: int | None = None,
        pairs: int = 0,
    ) -> Sizes:
        """The tiles that fit and whose bound is open, chosen loop by loop.

        Until a loop has its turn it may have any size: it fits if the smallest does, and its bound
        is that of the largest.  With ``most``, only so many of the best are kept on the way.
        ``pairs`` counts the orders of a tile, for the certificate.
        """
        whole = np.array(self.problem.bounds, dtype=np.int64)
        tiles = whole[None]
        least = np.minimum(np.array([step], dtype=np.int64), whole)
        left = prod(map(len, choices))
        for d in sorted(range(len(choices)), key=lambda d: -len(choices[d])):
            if len(choices[d]) == 1:
                tiles, least = tiles.copy(), least.copy()
                tiles[:, d] = least[:, d] = choices[d][0]
                continue
            left //= len(choices[d])
            tiles, least = (np.repeat(x, len(choices[d]), axis=0) for x in (tiles, least))
            tiles[:, d] = least[:, d] = np.tile(choices[d], len(tiles) // len(choices[d]))
            fits = self._fits(tiles, least)
            self.too_large += int((~fits).sum()) * left * pairs
            tiles, least = tiles[fits], least[fits]
            bounds = self._outside(step, tiles, least).min(axis=0, initial=np.inf)
            keep = np.flatnonzero(~self._are_settled(bounds))
            if most is not None:
                keep = keep[np.argsort(bounds[keep], kind="stable")[:most]]
            tiles, least = tiles[keep], least[keep]
        fits = self._fits(tiles, tiles)
        self.too_large += int((~fits).sum()) * pairs
        return tiles[fits]

    def _outside(self, step: tuple[int, ...], tiles: Sizes, least: Sizes) -> NDArray[np.float64]:
        """Bounds by outer order and tile."""
        return np.stack([self.bounds.outside(step, tiles, outer, least) for outer in self.orders])

    def _evaluate(
        self,
        axes: Axes,
        step: tuple[int, ...],
        tiles: Sizes,
        outer: tuple[int, ...],
        floors: NDArray[np.float64],
    ) -> None:
        """Evaluate tiles under an outer order, with every inner order, best bound first."""
        by_floor = np.argsort(floors, kind="stable")
        for at in range(0, len(by_floor), _BATCH):
            chosen = by_floor[at : at + _BATCH]
            if self._is_settled(float(floors[chosen[0]])):
                return
            part = tiles[chosen]
            found = np.stack(
                [self.bounds.whole_order(step, part, inner, outer) for inner in self.orders]
            )
            for flat in np.argsort(found, axis=None, kind="stable").tolist():
                bound = float(found.reshape(-1)[flat])
                if self._is_settled(bound):
                    break
                i, tile = np.unravel_index(flat, found.shape)
                orders = (self.orders[i], outer)
                whole = (step, tuple(part[tile].tolist()), self.problem.bounds)
                self._exactly(Mapping(whole, orders, axes), bound)

    def _exactly(self, mapping: Mapping, bound: float) -> None:
        self.evaluated += 1
        found = cost(self.problem, self.hardware, mapping)
        value = value_of(found, self.objective)
        assert value >= bound * (1 - 1e-9), "a bound above the value"
        if self.best is None or value < self.best[0]:
            self.best = value, mapping, found

    def _is_settled(self, bound: float) -> bool:
        return self.best is not None and bound >= self.best[0]

    def _are_settled(self, bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
        best = np.inf if self.best is None else self.best[0]
        return np.asarray(bounds >= best)

    def _fits(self, tiles: Sizes, least: Sizes) -> NDArray[np.bool_]:
        """Whether any tile from ``least`` to ``tiles`` fits the buffer."""
        buffer = self.hardware.levels[0]
        if buffer.size is None or not len(tiles):
            return np.ones(len(tiles), dtype=np.bool_)
        bits = _room(self.problem, tiles, least, buffer.buffers)
        smallest = int(bits.argmin())
        short = (int(bits[smallest]), tuple(least[smallest].tolist()))
        self.smallest = short if self.smallest is None else min(self.smallest, short)
        return np.asarray(bits <= 8 * buffer.size)


def _orders(problem: Problem) -> tuple[tuple[int, ...], ...]:
    """Orders of the loops, outermost first, one of which is as good as any.

    Loops that move the same operands stand together; those that move all of them come first, and
    before these the ones that stand still.
    """
    still = [d for d, n in enumerate(problem.bounds) if n == 1]
    groups = [[d for d in group if d not in still] for group in problem.groups]
    common = [d for d in chain(*groups) if all(d in x.loops for x in problem.operands)]
    others = [group for group in groups if group and not set(group) <= set(common)]
    return tuple((*still, *common, *chain(*order)) for order in permutations(others))


def _unrollings(problem: Problem, hardware: Hardware) -> Iterator[Axes]:
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


def _step(problem: Problem, hardware: Hardware, axes: Axes) -> tuple[int, ...]:
    """The iterations that run at once."""
    step = [1] * len(problem.bounds)
    for axis, d in axes:
        step[d] = min(hardware.array[axis], problem.bounds[d])
    return tuple(step)


def _tile_sizes(bound: int, step: int) -> Sizes:
    """For every possible number of tiles the smallest size, in whole steps."""
    steps = -(-bound // step)
    counts = np.unique(-(-steps // np.arange(1, steps + 1)))
    return np.minimum(counts * step, bound).astype(np.int64)


def _room(problem: Problem, tiles: Sizes, least: Sizes, buffers: int) -> NDArray[np.int64]:
    """Bits that tiles from ``least`` to ``tiles`` take at least.

    Of an operand that changes the buffer holds as many tiles as it has buffers.
    """
    bits = np.zeros(len(tiles), dtype=np.int64)
    bounds = np.array(problem.bounds, dtype=np.int64)
    for operand in problem.operands:
        loops = sorted(operand.loops)
        changes = (tiles[:, loops] < bounds[loops]).any(axis=1)
        several = operand.footprint(least) * buffers
        one = np.where(changes, several, operand.footprint(tiles))
        bits += np.minimum(several, one) * operand.partial_bits
    return bits


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
