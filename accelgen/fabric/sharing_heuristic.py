"""Shared links by one arborescence after the other, at the prices that the others leave.

Given what all other dataflows have, what one adds is a sum over its options: so a minimum
arborescence (Edmonds) is the best answer to the others.  Dataflows are connected one after the
other, in several orders, once at full prices and once at prices that those still to come may
share; and then each again, given the others, until none improves (coordinate descent).  So is the
choice of each alone.  The best is kept: never dearer than alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, permutations, product

import numpy as np

from accelgen.fabric.sharing import Ints, Sharing, alone

__all__ = ["heuristic"]

MOST_ORDERS = 24
"""Orders tried, at either prices; those of four dataflows are all."""


def heuristic(problem: Sharing, orders: int = MOST_ORDERS) -> list[Ints]:
    """A choice that no dataflow can improve on its own; the first of the cheapest found."""
    apart = alone(problem)
    count = len(problem.members)
    if count == 1:
        return apart
    best = _improve(problem, list(apart))
    least = problem.cost(best)
    able = _Able(problem)
    for order, hopeful in product(_orders(count, orders), (False, True)):
        choice: list[Ints | None] = [None] * count
        for d in order:
            choice[d] = _answer(problem, d, choice, able if hopeful else None)
        known = _improve(problem, [chosen for chosen in choice if chosen is not None])
        cost = problem.cost(known)
        if cost < least:
            best, least = known, cost
    return best


def _orders(count: int, most: int) -> Iterator[Sequence[int]]:
    """Up to ``most`` orders; of many dataflows such that every one comes first and last."""
    if count <= 4:
        yield from islice(permutations(range(count)), most)
        return
    numbers = list(range(count))
    for k in range(min(count, max(1, most // 2))):
        turned = numbers[k:] + numbers[:k]
        yield turned
        yield turned[::-1]


def _improve(problem: Sharing, choice: list[Ints]) -> list[Ints]:
    """Let each dataflow answer the others until none lowers the cost."""
    cost = problem.cost(choice)
    waiting = list(range(len(choice)))
    while waiting:
        d = waiting.pop(0)
        answer = _answer(problem, d, choice)
        other = [*choice[:d], answer, *choice[d + 1 :]]
        lower = problem.cost(other)
        if lower < cost:
            choice, cost = other, lower
            waiting += [k for k in range(len(choice)) if k != d and k not in waiting]
    return choice


class _Able:
    """Which dataflows could use a resource, or see a source."""

    def __init__(self, problem: Sharing) -> None:
        count = len(problem.members)
        self.resource = np.zeros((count, problem.resources), dtype=np.int64)
        self.pair = np.zeros((count, len(problem.weight)), dtype=np.int64)
        for d in range(count):
            self.resource[d][problem.resource[d][problem.amount[d] > 0]] = 1
            self.pair[d][problem.sees[d].indices] = 1


def _answer(
    problem: Sharing, d: int, choice: Sequence[Ints | None], able: _Able | None = None
) -> Ints:
    """The cheapest tree of one dataflow, given what the others have.

    With ``able`` a price is divided by the number of dataflows that have nothing yet and may share
    it.
    """
    levels = np.zeros(problem.resources, dtype=np.int64)
    seen = np.zeros(len(problem.weight), dtype=bool)
    for k, chosen in enumerate(choice):
        if k != d and chosen is not None:
            levels = np.maximum(levels, problem.levels(k, chosen))
            seen |= problem.seen(k, chosen)
    more = np.maximum(problem.amount[d] - levels[problem.resource[d]], 0)
    prices = np.where(seen, 0, problem.weight)
    if able is not None:
        waiting = [k for k, chosen in enumerate(choice) if k != d and chosen is None]
        more = more // (1 + able.resource[waiting].sum(axis=0))[problem.resource[d]]
        prices = prices // (1 + able.pair[waiting].sum(axis=0))
    return problem.members[d].candidates.tree(more.sum(axis=1) + problem.sees[d] @ prices)
