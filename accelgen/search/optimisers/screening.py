"""Children of NSGA-II, chosen by what a model of the designs so far expects of them.

Where an evaluation is dear, those before it tell which is worth it.  From what is known of designs
at once (:mod:`.outlook`) a model (:mod:`.model`) predicts the logarithms of the objectives, or how
far first estimates of these are off.  Children of children are made and selected by the hypervolume
that they would add to the front, or by how little they would fall short of it
(:mod:`.improvement`), as predicted less part of the deviation, for what is uncertain is worth a
try.  A generation takes the best of them one by one, each as if those before it had come out as
predicted (the kriging believer, Ginsbourger et al. 2010, doi.org/10.1007/978-3-642-10701-6_6).
Designs of which the same is known as of one before are left out: orders of loops that make no
difference are many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.search.hypervolume import logarithms
from accelgen.search.optimisers.improvement import improvements, open_boxes, shortfalls
from accelgen.search.optimisers.model import Model
from accelgen.search.optimisers.offspring import Children, parts_of
from accelgen.search.optimisers.outlook import Outlook, OutlookOf
from accelgen.search.vector import Gene
from accelgen.sweep.front import non_dominated

__all__ = ["Screened"]

Floats = NDArray[np.float64]

_CHILDREN, _PARENTS, _ROUNDS = 96, 48, 6
"""Children made in a round, the best of them that have children, and rounds."""

_FIRST = 4
"""Rounds' worth of children before the first."""

_FAR = 4
"""Of these the rounds' worth that have a mate from anywhere too."""

_OPTIMISM = 0.5
"""Deviations that a prediction is lowered by."""

_BEYOND = 0.3
"""What is predicted farther below the least so far counts as this part of the range below it."""

_MARGIN = 0.1
"""The reference of hypervolumes is this part of the range beyond the worst of the front."""

_UNSCREENED = 0.15
"""The part of children that are made as without a model, where it would not look."""

_FEWEST = 8
"""Designs with objectives from which something is predicted."""

_DIGITS = 9
"""To which what is known of two designs is the same."""


class Screened(Children):
    """See the module; ``bad`` are objectives from which on a trial has none, ``count`` children are
    a generation.
    """

    def __init__(
        self, genes: Sequence[Gene], seed: int, bad: float, count: int, outlook: OutlookOf
    ) -> None:
        super().__init__(parts_of(genes), seed)
        self._seed, self._bad, self._count, self._source = seed, bad, count, outlook
        self._known: dict[bytes, Outlook | None] = {}
        self._told = 0
        self._waiting: list[Floats] = []

    def __call__(self, study: Any, space: dict[str, Any], parents: list[Any]) -> dict[str, float]:  # noqa: ANN401 - Optuna's
        """The values of all genes."""
        self._is_new(parents)
        trials = [trial for trial in study.get_trials(deepcopy=False) if trial.values]
        if len(trials) > self._told:
            self._told = len(trials)
            self._waiting = self._chosen(trials, space, parents)
        if not self._waiting or self._rng.random() < _UNSCREENED:
            return self._named(space, self._child(space, parents))
        return self._named(space, self._waiting.pop(0))

    def _chosen(self, trials: list[Any], space: dict[str, Any], parents: list[Any]) -> list[Floats]:
        """A generation, the child that adds most first; none where too little is known."""
        told = {
            tuple(trial.params[name] for name in space): trial.values
            for trial in trials
            if trial.values[0] < self._bad
        }
        if len(told) < _FEWEST:
            return []
        vectors = np.array(list(told))
        values = logarithms(np.array(list(told.values()), dtype=np.float64))
        pool = _Pool([self._of(vector) for vector in vectors], values, self._seed)
        best = vectors[non_dominated(values)]
        near = [self._child(space, parents) for _ in range(_FIRST * _CHILDREN)]
        far = [self._mixed(x, self._rng.random(len(x))) for x in near[: _FAR * _CHILDREN]]
        pool.add(self._new([*near, *far], pool))
        for _ in range(_ROUNDS):
            pool.keep(_PARENTS, self._rng)
            mates = np.concatenate([best, *(x[None] for x in pool.vectors)])
            pairs = self._rng.integers(len(mates), size=(_CHILDREN, 2))
            children = [self._mutated(self._mixed(*mates[pair])) for pair in pairs]
            pool.add(self._new(children, pool))
        return pool.take(self._count)

    def _of(self, vector: Floats) -> Outlook | None:
        key = vector.tobytes()
        if key not in self._known:
            self._known[key] = self._source(tuple(vector.tolist()))
        return self._known[key]

    def _new(self, children: Sequence[Floats], pool: _Pool) -> list[tuple[Floats, Outlook]]:
        """Those that are designs, and not as one before, with what is known of them."""
        known = [(child, self._of(child)) for child in children]
        return [(child, x) for child, x in known if x is not None and pool.is_new(x)]


class _Pool:
    """Candidates with what is predicted of them, and the model that predicts it."""

    def __init__(self, told: Sequence[Outlook | None], values: Floats, seed: int) -> None:
        # Only designs have values.
        known = [outlook for outlook in told if outlook is not None]
        first = np.array([outlook.first for outlook in known])
        self._model = Model(np.array([x.traits for x in known]), values - first, seed)
        self._seen = {_rounded(outlook) for outlook in known}
        self._front = values[non_dominated(values)]
        low, high = self._front.min(axis=0), self._front.max(axis=0)
        self._spread = np.where(high > low, high - low, 1.0)
        self._reference, self._least = high + _MARGIN * self._spread, low - _BEYOND * self._spread
        self._boxes = open_boxes(self._front, self._reference)
        self.vectors: list[Floats] = []
        self._hoped = np.empty((0, values.shape[1]))
        self._worths = np.empty(0)

    def is_new(self, outlook: Outlook) -> bool:
        """Whether nothing with the same was asked about, which is noted."""
        row = _rounded(outlook)
        if row in self._seen:
            return False
        self._seen.add(row)
        return True

    def add(self, candidates: Sequence[tuple[Floats, Outlook]]) -> None:
        """Predict, and weigh."""
        if not candidates:
            return
        known = [outlook for _, outlook in candidates]
        mean, deviation = self._model.predict(np.array([x.traits for x in known]))
        mean += np.array([x.first for x in known])
        hoped = np.maximum(mean - _OPTIMISM * deviation, self._least)
        self.vectors += [vector for vector, _ in candidates]
        self._hoped = np.concatenate([self._hoped, hoped])
        worth = self._worth(hoped, self._front, self._boxes)
        self._worths = np.concatenate([self._worths, worth])

    def _worth(self, hoped: Floats, front: Floats, boxes: Floats) -> Floats:
        """The hypervolume that is added; below 0 where none is, by how far it is from adding."""
        gains = improvements(hoped, boxes)
        lacking = shortfalls(hoped / self._spread, front / self._spread)
        return np.where(gains > 0, gains, -lacking)

    def keep(self, count: int, rng: np.random.Generator) -> None:
        """Keep the best ``count``, and as many that no other is predicted to beat, so that
        the whole length of the front has children.
        """
        best = np.flatnonzero(non_dominated(self._hoped))
        if len(best) > count:
            best = rng.choice(best, count, replace=False)
        most = np.argsort(-self._worths, kind="stable")[:count]
        kept = np.unique(np.concatenate([most, best]))
        self.vectors = [self.vectors[k] for k in kept]
        self._hoped, self._worths = self._hoped[kept], self._worths[kept]

    def take(self, count: int) -> list[Floats]:
        """Up to ``count``, each the best after those before it."""
        front, worths = self._front, self._worths
        taken: list[int] = []
        while len(taken) < min(count, len(self.vectors)):
            taken.append(int(worths.argmax()))
            front = np.concatenate([front, self._hoped[taken[-1:]]])
            front = front[non_dominated(front)]
            worths = self._worth(self._hoped, front, open_boxes(front, self._reference))
            worths[taken] = -np.inf
        return [self.vectors[k] for k in taken]


def _rounded(outlook: Outlook) -> tuple[float, ...]:
    return tuple(round(x, _DIGITS) for x in outlook.traits)
