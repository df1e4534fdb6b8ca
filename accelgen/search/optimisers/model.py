"""A model of objectives, learnt from the designs so far: extremely randomised trees.

They learn the steps and corners that cycles and energy have from few designs, and how far they
differ says how sure they are (Geurts et al. 2006, doi.org/10.1007/s10994-006-6226-1).  They do not
carry beyond what they saw: that is what first estimates are for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chance", "Model"]

Floats = NDArray[np.float64]

_TREES = 64
_FEATURES = 0.7
"""The part of what is known that a tree looks at for a split."""


class Chance:
    """How likely designs are to be feasible, learnt from ``known`` (a row per design) and which of
    these were; 1 where all were.
    """

    def __init__(self, known: Floats, feasible: NDArray[np.bool_], seed: int) -> None:
        from sklearn.ensemble import ExtraTreesRegressor

        self._forest: Any = None
        if not feasible.all():
            forest = ExtraTreesRegressor(_TREES, max_features=_FEATURES, random_state=seed)
            self._forest = forest.fit(known, feasible.astype(np.float64))

    def predict(self, known: Floats) -> Floats:
        """Of every row, 0 to 1."""
        if self._forest is None:
            return np.ones(len(known))
        return np.asarray(self._forest.predict(known), np.float64)


class Model:
    """Learnt from ``known`` (a row per design) and ``values`` (a row per design, a column per
    objective); depends on nothing but these and ``seed``.
    """

    def __init__(self, known: Floats, values: Floats, seed: int) -> None:
        from sklearn.ensemble import ExtraTreesRegressor

        self._forests: list[Any] = [
            ExtraTreesRegressor(_TREES, max_features=_FEATURES, random_state=seed).fit(
                known, column
            )
            for column in values.T
        ]

    def predict(self, known: Floats) -> tuple[Floats, Floats]:
        """The objectives of every row, and the standard deviation over the trees."""
        single = known.astype(np.float32)
        means, deviations = [], []
        for forest in self._forests:
            trees = np.stack([tree.tree_.predict(single)[:, 0] for tree in forest.estimators_])
            means.append(trees.mean(axis=0))
            deviations.append(trees.std(axis=0))
        return np.stack(means, axis=1), np.stack(deviations, axis=1)
