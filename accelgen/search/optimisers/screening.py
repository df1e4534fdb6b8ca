"""Children of NSGA-II, chosen by what a model of the designs so far expects of them.

Where an evaluation is dear, those before it tell which is worth it.  From what is known of designs
at once (:mod:`.outlook`) a model (:mod:`.model`) predicts the logarithms of the objectives, or how
far first estimates of these are off; some objectives are measured by themselves of the best
candidates (:mod:`.probes`).  Children of children are made and selected (:mod:`.pool`), those that
are left of one generation with those of the next.  A generation takes the best of them one by one,
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
from accelgen.search.optimisers.offspring import Children, parts_of
from accelgen.search.optimisers.outlook import Outlook, OutlookOf
from accelgen.search.optimisers.pool import Evaluated, Pool
from accelgen.search.optimisers.probes import Probes
from accelgen.search.vector import Gene, Vector
from accelgen.sweep.front import non_dominated

__all__ = ["Screened"]

Floats = NDArray[np.float64]

_CHILDREN, _PARENTS = 96, 48
"""Children made in a round, and the best of them that have children."""

_ROUNDS, _ROUNDS_AT_FIRST = 10, 50
"""Rounds of a generation, and of the first, which has no candidates from before."""

_FEW, _ANYWHERE = 40, 400
"""With so few feasible designs so many vectors from the whole cube are candidates, too."""

_PROBING, _PROBED = 2, 20
"""Rounds after which the best of the candidates are probed, and how many of them."""

_AT_FIRST = 60
"""Probes before the first candidates, half of them from the whole cube."""

_FIRST = 2
"""Rounds' worth of children before the first."""

_FAR = 1
"""Of these the rounds' worth that have a mate from anywhere too."""

_UNSCREENED = 0.05
"""The part of children that are made as without a model, where it would not look."""

_FEWEST, _FEWEST_PROBED = 8, 2
"""Designs with objectives from which something is predicted; probes tell more than evaluations."""


class Screened(Children):
    """See the module; ``bad`` are objectives from which on a trial has none, ``count`` children are
    a generation.  ``limits`` are the most that constraints allow of the objectives (``None``: no
    limits), ``anchors`` vectors that are candidates in every generation.
    """

    def __init__(
        self,
        genes: Sequence[Gene],
        seed: int,
        bad: float,
        count: int,
        outlook: OutlookOf,
        *,
        probes: Probes | None = None,
        limits: Sequence[float] | None = None,
        anchors: Sequence[Vector] = (),
    ) -> None:
        super().__init__(parts_of(genes), seed)
        self._seed, self._bad, self._count, self._source = seed, bad, count, outlook
        self._probes, self._anchors = probes, [np.array(vector) for vector in anchors]
        self._limits = None if limits is None else logarithms(np.array(limits))
        self._outlooks: dict[bytes, Outlook | None] = {}
        self._told = 0
        self._waiting: list[Floats] = []
        self._kept: list[tuple[Floats, Outlook]] = []

    @property
    def probed(self) -> int:
        """See :class:`.offspring.Children`."""
        return 0 if self._probes is None else len(self._probes.found)

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
        fewest = _FEWEST if self._probes is None else _FEWEST_PROBED
        if sum(values[0] < self._bad for values in told.values()) < fewest:
            return []
        found = [
            (np.array(vector), outlook, values)
            for vector, values in told.items()
            if (outlook := self._told_of(np.array(vector))) is not None
        ]
        feasible = np.array([values[0] < self._bad for _, _, values in found])
        values = logarithms(np.array([values for _, _, values in found])[feasible])
        near = [self._child(space, parents) for _ in range(_FIRST * _CHILDREN)]
        far = [self._mixed(x, self._rng.random(len(x))) for x in near[: _FAR * _CHILDREN]]
        if self._probes is not None and not self._probes.found:
            self._probe_first(far[: _AT_FIRST // 2])
        limits = np.full(values.shape[1], np.inf) if self._limits is None else self._limits
        evaluated = Evaluated([outlook for _, outlook, _ in found], feasible, values)
        pool = Pool(evaluated, limits, self._probes, self._seed)
        best = np.array([vector for vector, _, _ in found])[feasible][non_dominated(values)]
        pool.add([(x, outlook) for x, outlook in self._kept if pool.is_new(outlook)])
        pool.add(self._new([*self._anchors, *near, *far], pool))
        if self._probes is not None and len(values) < _FEW:
            pool.add(self._new(list(self._rng.random((_ANYWHERE, len(space)))), pool))
        for number in range(1, (_ROUNDS if self._kept else _ROUNDS_AT_FIRST) + 1):
            pool.keep(_PARENTS, self._rng)
            mates = np.concatenate([best, *(x[None] for x in pool.vectors)])
            pairs = self._rng.integers(len(mates), size=(_CHILDREN, 2))
            children = [self._mutated(self._mixed(*mates[pair])) for pair in pairs]
            pool.add(self._new(children, pool))
            if number % _PROBING == 0:
                pool.probe(_PROBED)
        taken = pool.take(self._count)
        self._kept = pool.kept
        return taken

    def _probe_first(self, children: Sequence[Floats]) -> None:
        """Probe these, and as many from the whole cube."""
        assert self._probes is not None
        anywhere = self._rng.random((len(children), len(children[0])))
        for vector in [*anywhere, *children]:
            if (outlook := self._source(tuple(vector.tolist()))) is not None:
                self._probes.measured(outlook)

    def _told_of(self, vector: Floats) -> Outlook | None:
        """The outlook of a vector that is told again and again."""
        key = vector.tobytes()
        if key not in self._outlooks:
            self._outlooks[key] = self._source(tuple(vector.tolist()))
        return self._outlooks[key]

    def _new(self, children: Sequence[Floats], pool: Pool) -> list[tuple[Floats, Outlook]]:
        """Those that are designs, and not as one before, with what is known of them."""
        known = [(child, self._source(tuple(child.tolist()))) for child in children]
        return [(child, x) for child, x in known if x is not None and pool.is_new(x)]
