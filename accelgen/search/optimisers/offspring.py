"""How NSGA-II chooses parents and makes children of vectors whose genes belong to parts.

Ranks and crowding distances are those of NSGA-II (Deb et al. 2002), from which parents are drawn by
binary tournaments; Optuna's own choice looks at dominance alone.  Parts of a vector (hardware,
network, bits) are building blocks: a child has each part whole from one parent or the other, or
mixed gene by gene, and one part is mutated, so that a part of one gene changes as often as one of
twenty.  More are kept than are made per generation, for evaluations are dear.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.search.vector import Gene
from accelgen.sweep.front import non_dominated

__all__ = ["Children", "Elite", "parts_of"]

Floats = NDArray[np.float64]

_STEP = 0.15
"""Standard deviation of a small mutation; half of all mutations draw the gene anew."""

_ANYWHERE = 0.5
"""Where parents are all as good (none is feasible), this part of the children has none: what is
good is not among them.
"""

_MIXED = 1 / 3
"""How often a part is mixed gene by gene."""


def parts_of(genes: Sequence[Gene]) -> tuple[int, ...]:
    """How many genes successive parts have: those with the same name in front of the first dot."""
    groups = groupby(genes, key=lambda gene: gene.name.partition(".")[0])
    return tuple(len(list(group)) for _, group in groups)


class Elite:
    """Keeps the best ``count`` trials, of those with the same values one."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, study: Any, population: list[Any]) -> list[Any]:  # noqa: ANN401 - Optuna's
        """By rank, then by crowding distance."""
        distinct = list({tuple(trial.values): trial for trial in reversed(population)}.values())
        fit = fitness(np.array([trial.values for trial in distinct]))
        order = np.lexsort((-fit[:, 1], fit[:, 0]))
        return [distinct[k] for k in order[: self.count]]


class Children:
    """Makes a child of two trials; ``parts`` are the numbers of genes of the parts."""

    def __init__(self, parts: Sequence[int], seed: int) -> None:
        ends = np.cumsum(parts)
        self._parts = [np.arange(end - size, end) for size, end in zip(parts, ends, strict=True)]
        self._rng = np.random.default_rng(seed)
        self._seen: tuple[int, ...] = ()
        self._fitness, self._alike = np.empty((0, 2)), False

    @property
    def probed(self) -> int:
        """How often children had a figure measured by itself (:mod:`.probes`)."""
        return 0

    def __call__(self, study: Any, space: dict[str, Any], parents: list[Any]) -> dict[str, float]:  # noqa: ANN401 - Optuna's
        """The values of all genes."""
        self._is_new(parents)
        return self._named(space, self._child(space, parents))

    def _is_new(self, parents: list[Any]) -> bool:
        """Whether these are not the parents of before; of new ones the fitness."""
        numbers = tuple(trial.number for trial in parents)
        if numbers == self._seen:
            return False
        self._seen = numbers
        values = np.array([trial.values for trial in parents])
        self._fitness, self._alike = fitness(values), bool((values == values[0]).all())
        return True

    def _child(self, space: dict[str, Any], parents: list[Any]) -> Floats:
        if self._alike and self._rng.random() < _ANYWHERE:
            return self._rng.random(len(space))
        pair = [parents[self._pick()], parents[self._pick()]]
        first, second = (np.array([trial.params[name] for name in space]) for trial in pair)
        return self._mutated(self._mixed(first, second))

    def _named(self, space: dict[str, Any], child: Floats) -> dict[str, float]:
        return dict(zip(space, child.tolist(), strict=True))

    def _pick(self) -> int:
        """The better of two at random."""
        one, other = self._rng.integers(len(self._fitness), size=2)
        (rank, crowding), (rank2, crowding2) = self._fitness[one], self._fitness[other]
        return int(one if (rank, -crowding) <= (rank2, -crowding2) else other)

    def _mixed(self, first: Floats, second: Floats) -> Floats:
        child = first.copy()
        for genes in self._parts:
            if self._rng.random() < _MIXED:
                genes = genes[self._rng.random(len(genes)) < 0.5]
            elif self._rng.random() < 0.5:
                continue
            child[genes] = second[genes]
        return child

    def _mutated(self, child: Floats) -> Floats:
        genes = self._parts[self._rng.integers(len(self._parts))]
        chosen = genes[self._rng.random(len(genes)) < 1 / len(genes)]
        if not len(chosen):
            chosen = self._rng.choice(genes, 1)
        anew = self._rng.random(len(chosen))
        near = np.clip(child[chosen] + self._rng.normal(0.0, _STEP, len(chosen)), 0.0, 1.0)
        child[chosen] = np.where(self._rng.random(len(chosen)) < 0.5, anew, near)
        return child


def fitness(values: Floats) -> Floats:
    """Rank (0: not dominated) and crowding distance of every row."""
    found = np.zeros((len(values), 2))
    left = np.arange(len(values))
    rank = 0
    while len(left):
        best = non_dominated(values[left])
        front = left[best]
        found[front, 0] = rank
        found[front, 1] = crowding(values[front])
        left, rank = left[~best], rank + 1
    return found


def crowding(front: Floats) -> Floats:
    """The sum over objectives of the distance between both neighbours, as part of the range."""
    found = np.zeros(len(front))
    for column in front.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        if spread > 0:
            found[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
            found[order[[0, -1]]] = np.inf
    return found
