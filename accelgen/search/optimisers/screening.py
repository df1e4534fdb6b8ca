"""Children of NSGA-II, chosen by what a model of the designs so far expects of them.

Where an evaluation is dear, those before it tell which is worth it.  From what is known of designs
at once (:mod:`.outlook`) a model (:mod:`.model`) predicts the logarithms of the objectives, or how
far first estimates of these are off.  Children of children are made and selected by the hypervolume
that they would add to the front, or by how little they would fall short of it
(:mod:`.improvement`), as predicted less part of the deviation, for what is uncertain is worth a
try, and times the chance that they are feasible.  A generation takes the best of them one by one,
each as if those before it had come out as hoped (after the kriging believer, Ginsbourger et al.
2010, doi.org/10.1007/978-3-642-10701-6_6).  Designs that look like one before, as far as is known
at once, are left out: orders of loops that make no difference are many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.search.hypervolume import logarithms
from accelgen.search.optimisers.improvement import improvements, open_boxes, shortfalls
from accelgen.search.optimisers.model import Chance, Model
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

_LIKELY = 0.5
"""The least chance to be feasible of what counts as adding to the front."""

_BEYOND = 0.3
"""What is predicted farther below the least so far counts as this part of the front's range below
it (of a front of one point, of a factor of e)."""

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
        self._outlooks: dict[bytes, Outlook | None] = {}
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
        told = {tuple(trial.params[name] for name in space): trial.values for trial in trials}
        if sum(values[0] < self._bad for values in told.values()) < _FEWEST:
            return []
        found = [
            (np.array(vector), outlook, values)
            for vector, values in told.items()
            if (outlook := self._told_of(np.array(vector))) is not None
        ]
        known = [outlook for _, outlook, _ in found]
        feasible = np.array([values[0] < self._bad for _, _, values in found])
        values = logarithms(np.array([values for _, _, values in found])[feasible])
        pool = _Pool(known, feasible, values, self._seed)
        best = np.array([vector for vector, _, _ in found])[feasible][non_dominated(values)]
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

    def _told_of(self, vector: Floats) -> Outlook | None:
        """The outlook of a vector that is told again and again."""
        key = vector.tobytes()
        if key not in self._outlooks:
            self._outlooks[key] = self._source(tuple(vector.tolist()))
        return self._outlooks[key]

    def _new(self, children: Sequence[Floats], pool: _Pool) -> list[tuple[Floats, Outlook]]:
        """Those that are designs, and not as one before, with what is known of them."""
        known = [(child, self._source(tuple(child.tolist()))) for child in children]
        return [(child, x) for child, x in known if x is not None and pool.is_new(x)]


class _Pool:
    """Candidates with what is predicted of them, and the models that predict it: learnt from
    ``known`` designs, the ``values`` of those that are ``feasible``.
    """

    def __init__(
        self,
        known: Sequence[Outlook],
        feasible: NDArray[np.bool_],
        values: Floats,
        seed: int,
    ) -> None:
        traits = np.array([outlook.traits for outlook in known])
        first = np.array([outlook.first for outlook in known])[feasible]
        self._model = Model(traits[feasible], values - first, seed)
        self._chance = Chance(traits, feasible, seed)
        self._seen = {_rounded(outlook) for outlook in known}
        self._front = values[non_dominated(values)]
        low, high = self._front.min(axis=0), self._front.max(axis=0)
        self._spread = np.where(high > low, high - low, 1.0)
        self._reference, self._least = high + _MARGIN * self._spread, low - _BEYOND * self._spread
        self.vectors: list[Floats] = []
        self._hoped = np.empty((0, values.shape[1]))
        self._chances, self._worths = np.empty(0), np.empty(0)

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
        traits = np.array([outlook.traits for _, outlook in candidates])
        mean, deviation = self._model.predict(traits)
        mean += np.array([outlook.first for _, outlook in candidates])
        hoped = np.maximum(mean - _OPTIMISM * deviation, self._least)
        self.vectors += [vector for vector, _ in candidates]
        self._hoped = np.concatenate([self._hoped, hoped])
        self._chances = np.concatenate([self._chances, self._chance.predict(traits)])
        self._worths = self._worths_beside(self._front)

    def _worths_beside(self, front: Floats) -> Floats:
        """Of every candidate: the hypervolume that it adds to a front times the chance that it is
        feasible; where it adds none, or is likely not to be, less than 0, by how much it falls
        short and by that chance.
        """
        gains = improvements(self._hoped, open_boxes(front, self._reference))
        lacking = shortfalls(self._hoped / self._spread, front / self._spread)
        adds = (gains > 0) & (self._chances >= _LIKELY)
        return np.where(adds, gains * self._chances, self._chances - 1.0 - lacking)

    def keep(self, count: int, rng: np.random.Generator) -> None:
        """Keep the best ``count``, and as many that no other is predicted to beat, so that the
        whole length of the front has children.
        """
        best = np.flatnonzero(non_dominated(self._hoped))
        if len(best) > count:
            best = rng.choice(best, count, replace=False)
        most = np.argsort(-self._worths, kind="stable")[:count]
        kept = np.unique(np.concatenate([most, best]))
        self.vectors = [self.vectors[k] for k in kept]
        self._hoped, self._chances = self._hoped[kept], self._chances[kept]
        self._worths = self._worths[kept]

    def take(self, count: int) -> list[Floats]:
        """Up to ``count``, each the best after those before it."""
        front, worths = self._front, self._worths
        taken: list[int] = []
        while len(taken) < min(count, len(self.vectors)):
            taken.append(int(worths.argmax()))
            front = np.concatenate([front, self._hoped[taken[-1:]]])
            front = front[non_dominated(front)]
            worths = self._worths_beside(front)
            worths[taken] = -np.inf
        return [self.vectors[k] for k in taken]


def _rounded(outlook: Outlook) -> tuple[float, ...]:
    return tuple(round(x, _DIGITS) for x in outlook.traits)
