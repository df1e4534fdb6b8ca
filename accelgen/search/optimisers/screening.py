"""Children of NSGA-II, found by a search of their own on what a regression forest predicts.

Where an evaluation is dear, what was evaluated so far tells which child is worth it: extremely
randomised trees (Geurts et al. 2006) predict the logarithms of the objectives, and children of
children are made and selected by the augmented Tchebycheff sum under random weights, as in ParEGO
(Knowles 2006, doi.org/10.1109/TEVC.2005.851274), of the mean of the trees less half their standard
deviation (what is uncertain is worth a try).  Every child has weights of its own, so that the front
is searched along its whole length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.search.hypervolume import logarithms
from accelgen.search.optimisers.offspring import Children, parts_of
from accelgen.search.vector import Gene

__all__ = ["Screened", "features"]

Floats = NDArray[np.float64]

_CHILDREN, _PARENTS, _GENERATIONS = 64, 16, 4
"""Children made, the best of them that have children, and how often."""

_OPTIMISM = 0.5
"""Standard deviations of the trees that a prediction is lowered by."""

_SCREENED = 2 / 3
"""The part of children that are found so; the others go where the forest would not."""

_TREES = 32
_FEWEST = 8
"""Designs with objectives from which something is predicted."""

_RHO = 0.05
"""The part of the sum in the Tchebycheff scalarisation, as in ParEGO."""

_WORST = 0.9
"""Objectives are scaled from the least to this quantile: outliers do not matter."""


class Screened(Children):
    """See the module; ``bad`` are objectives from which on a trial has none."""

    def __init__(self, genes: Sequence[Gene], seed: int, bad: float) -> None:
        super().__init__(parts_of(genes), seed)
        self._genes, self._seed, self._bad = tuple(genes), seed, bad
        self._model: Any = None
        self._known = self._told = 0
        self._low = self._spread = np.empty(0)

    def __call__(self, study: Any, space: dict[str, Any], parents: list[Any]) -> dict[str, float]:  # noqa: ANN401 - Optuna's
        """The values of all genes."""
        self._is_new(parents)
        if self._is_next(study):
            self._fit(study, space)
        if self._model is None or self._rng.random() >= _SCREENED:
            return self._named(space, self._child(space, parents))
        weights = self._rng.dirichlet(np.ones(len(self._low)))
        found = np.stack([self._child(space, parents) for _ in range(_CHILDREN)])
        sums = self._predicted(found, weights)
        for _ in range(_GENERATIONS):
            kept = np.argsort(sums, kind="stable")[:_PARENTS]
            found, sums = found[kept], sums[kept]
            pairs = self._rng.integers(_PARENTS, size=(_CHILDREN - _PARENTS, 2))
            more = np.stack([self._mutated(self._mixed(*found[pair])) for pair in pairs])
            found = np.concatenate([found, more])
            sums = np.concatenate([sums, self._predicted(more, weights)])
        return self._named(space, found[int(sums.argmin())])

    def _is_next(self, study: Any) -> bool:  # noqa: ANN401 - Optuna's
        """Whether trials were told since the last child."""
        last, self._told = (
            self._told,
            sum(bool(trial.values) for trial in study.get_trials(deepcopy=False)),
        )
        return self._told > last

    def _predicted(self, vectors: Floats, weights: Floats) -> Floats:
        """The scalarised objectives of every vector, less being better."""
        known = features(self._genes, vectors).astype(np.float32)
        trees = np.stack(
            [tree.predict(known).reshape(len(known), -1) for tree in self._model.estimators_]
        )
        values = trees.mean(axis=0) - _OPTIMISM * trees.std(axis=0)
        scaled = weights * (values - self._low) / self._spread
        return np.asarray(scaled.max(axis=1) + _RHO * scaled.sum(axis=1))

    def _fit(self, study: Any, space: dict[str, Any]) -> None:  # noqa: ANN401 - Optuna's
        """Learn from all designs that have objectives."""
        from sklearn.ensemble import ExtraTreesRegressor

        told = {
            tuple(trial.params[name] for name in space): trial.values
            for trial in study.get_trials(deepcopy=False)
            if trial.values and trial.values[0] < self._bad
        }
        # Nothing new was learnt: what it would propose was proposed.
        count = len({tuple(values) for values in told.values()})
        stale, self._known = count == self._known, count
        if stale or len(told) < _FEWEST:
            self._model = None
            return
        values = logarithms(np.array(list(told.values()), dtype=np.float64))
        self._low = values.min(axis=0)
        spread = np.quantile(values, _WORST, axis=0) - self._low
        self._spread = np.where(spread > 0, spread, 1.0)
        model = ExtraTreesRegressor(_TREES, max_features=0.7, random_state=self._seed)
        self._model = model.fit(features(self._genes, np.array(list(told))), values.squeeze())


def features(genes: Sequence[Gene], vectors: Floats) -> Floats:
    """What is predicted from, a row per vector: its numbers, and of importances (genes that differ
    in what follows the last dot) their ranks, for only these matter.
    """
    groups: dict[str, list[int]] = {}
    for number, gene in enumerate(genes):
        groups.setdefault(gene.name.rpartition(".")[0], []).append(number)
    ranks = [
        vectors[:, group].argsort(axis=1).argsort(axis=1)
        for name, group in groups.items()
        if "." in name and len(group) > 1
    ]
    return np.concatenate([vectors, *ranks], axis=1).astype(np.float64)
