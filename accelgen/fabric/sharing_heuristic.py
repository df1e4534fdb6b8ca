"""Shared links by one arborescence after the other, at the prices that the others leave.

Given what all other dataflows have, what one adds is a sum over its options: so a minimum
arborescence (Edmonds) is the best answer to the others.  Dataflows are connected one after the
other, in several orders, and then each again, given the others, until none improves (coordinate
descent); so is the choice of each alone.  The best is kept: never dearer than alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, permutations

import numpy as np

from accelgen.fabric.sharing import Ints, Sharing, alone

__all__ = ["heuristic"]

MOST_ORDERS = 24
"""Orders tried; those of four dataflows are all."""


def heuristic(problem: Sharing, orders: int = MOST_ORDERS) -> list[Ints]:
    """A choice that no dataflow can improve on its own; the first of the cheapest found."""
    apart = alone(problem)
    count = len(problem.members)
    if count == 1:
        return apart
    best = _improve(problem, list(apart))
    least = problem.cost(best)
    for order in _orders(count, orders):
        choice: list[Ints | None] = [None] * count
        for d in order:
            choice[d] = _answer(problem, d, choice)
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


def _answer(problem: Sharing, d: int, choice: Sequence[Ints | None]) -> Ints:
    """The cheapest tree of one dataflow, given what the others have."""
    levels = np.zeros(problem.resources, dtype=np.int64)
    seen = np.zeros(len(problem.weight), dtype=bool)
    for k, chosen in enumerate(choice):
        if k != d and chosen is not None:
            levels = np.maximum(levels, problem.levels(k, chosen))
            seen |= problem.seen(k, chosen)
    more = np.maximum(problem.amount[d] - levels[problem.resource[d]], 0).sum(axis=1)
    more = more + problem.weighted[d] @ (~seen).astype(np.int64)
    return problem.members[d].candidates.tree(more)
