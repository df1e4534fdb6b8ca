"""Candidates for the next generation, and what models of the designs so far expect of them.

Objectives that are probed (:mod:`.probes`) have a model of their own, which learns from the probes.
Candidates are weighed by the hypervolume that they would add to the front, or by how little they
would fall short of it (:mod:`.improvement`), as predicted less part of the deviation, for what is
uncertain is worth a try, and times the chance that they are feasible.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelgen.search.optimisers.improvement import improvements, open_boxes, shortfalls
from accelgen.search.optimisers.model import Chance, Model
from accelgen.search.optimisers.outlook import Outlook
from accelgen.search.optimisers.probes import Probes
from accelgen.sweep.front import non_dominated

__all__ = ["Evaluated", "Pool"]

Floats = NDArray[np.float64]

_OPTIMISM = 0.5
"""Deviations that a prediction is lowered by."""

_LIKELY = 0.5
"""The least chance to be feasible of what counts as adding to the front."""

_MARGIN = 0.1
"""The reference of hypervolumes is this part of the range beyond the worst of the front,"""

_REACH = 1.0
"""and at least this beyond the best of it (in logarithms: a factor of e), or at what a constraint
allows: the first designs may have much of one objective in common."""

_AT_ONCE = 4
"""Probes between which it is weighed anew what the next ones would add."""

_RECENT = 800
"""Probes that models learn from: the last, which are near the front."""

_DIGITS = 9
"""To which what is known of two designs is the same."""


@dataclass(frozen=True)
class Evaluated:
    """Designs that were evaluated: a row each of ``feasible``, and of ``values`` (logarithms of the
    objectives, less being better) for those that are.
    """

    outlooks: Sequence[Outlook]
    feasible: NDArray[np.bool_]
    values: Floats

    @cached_property
    def traits(self) -> Floats:
        """Of all of them."""
        return _traits(self.outlooks)

    @cached_property
    def first(self) -> Floats:
        """First estimates of the objectives of those that are feasible."""
        return np.array([outlook.first for outlook in self.outlooks])[self.feasible]


class Pool:
    """Candidates, and the models that predict them: learnt from what was ``evaluated``, and from
    ``probes``; ``limits`` are logarithms of what constraints allow of the objectives.
    """

    def __init__(
        self, evaluated: Evaluated, limits: Floats, probes: Probes | None, seed: int
    ) -> None:
        self._evaluated, self._probes, self._seed = evaluated, probes, seed
        values, feasible = evaluated.values, evaluated.feasible
        self._model = Model(evaluated.traits[feasible], values - evaluated.first, seed)
        self._seen = {self._look(outlook) for outlook in evaluated.outlooks}
        self._front = values[non_dominated(values)]
        low, high = self._front.min(axis=0), self._front.max(axis=0)
        self._spread = np.where(high > low, high - low, 1.0)
        reached = np.minimum(limits, low + _REACH)
        self._reference = np.maximum(high + _MARGIN * self._spread, reached)
        limited = np.isfinite(limits)
        self._spread[limited] = np.maximum(self._spread, self._reference - low)[limited]
        self.vectors: list[Floats] = []
        self._outlooks: list[Outlook] = []
        self._hoped = np.empty((0, values.shape[1]))
        self._chances, self._worths = np.empty(0), np.empty(0)
        self._probed = np.empty(0, bool)
        self._learn()

    def _learn(self) -> None:
        """What probes tell: of the objectives they have, and whether constraints on these hold."""
        traits, feasible = self._evaluated.traits, self._evaluated.feasible
        if self._probes is None:
            self._chance = Chance(traits, feasible, self._seed)
            return
        found = self._probes.found[-_RECENT:]
        within = feasible.copy()
        for k in map(int, np.flatnonzero(~feasible)):
            within[k] = self._probes.measured(self._evaluated.outlooks[k]).feasible
        self._chance = Chance(traits[within], feasible[within], self._seed)
        own = _probe_traits(self._evaluated.outlooks)
        more = np.array([probe.traits for probe in found]).reshape(-1, own.shape[1])
        satisfied = np.array([probe.feasible for probe in found], bool)
        self._within = Chance(
            np.concatenate([own, more]), np.concatenate([within, satisfied]), self._seed
        )
        self._models = []
        for place, column in enumerate(self._probes.columns):
            probed = np.array([probe.values[place] for probe in found])
            values = np.concatenate([self._evaluated.values[:, column], probed])
            # What is far beyond says little of what is near the front.
            near = values <= self._reference[column] + self._spread[column]
            rows = np.concatenate([own[feasible], more])[near]
            self._models.append(Model(rows, values[near, None], self._seed))

    def is_new(self, outlook: Outlook) -> bool:
        """Whether nothing with the same was asked about, which is noted."""
        look = self._look(outlook)
        if look in self._seen:
            return False
        self._seen.add(look)
        return True

    def _look(self, outlook: Outlook) -> Hashable:
        """The same of designs that nothing known tells apart."""
        own = None if self._probes is None else self._probes.key(outlook)
        return tuple(round(x, _DIGITS) for x in outlook.traits), own

    def add(self, candidates: Sequence[tuple[Floats, Outlook]]) -> None:
        """Predict, and weigh."""
        if not candidates:
            return
        outlooks = [outlook for _, outlook in candidates]
        hoped, chances, probed = self._expected(outlooks)
        self.vectors += [vector for vector, _ in candidates]
        self._outlooks += outlooks
        self._hoped = np.concatenate([self._hoped, hoped])
        self._chances = np.concatenate([self._chances, chances])
        self._probed = np.concatenate([self._probed, probed])
        self._worths = self._worths_beside(self._front)

    def _expected(self, outlooks: Sequence[Outlook]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Objectives as hoped, the chance to be feasible, and whether probes know some of these."""
        traits = _traits(outlooks)
        mean, deviation = self._model.predict(traits)
        chances = self._chance.predict(traits)
        probed = np.zeros(len(outlooks), bool)
        mean += np.array([outlook.first for outlook in outlooks])
        if self._probes is not None:
            own = _probe_traits(outlooks)
            for column, model in zip(self._probes.columns, self._models, strict=True):
                mean[:, [column]], deviation[:, [column]] = model.predict(own)
        hoped = mean - _OPTIMISM * deviation
        if self._probes is not None:
            within = self._within.predict(own)
            for k, outlook in enumerate(outlooks):
                if (probe := self._probes.known(outlook)) is not None:
                    hoped[k, self._probes.columns] = probe.values
                    within[k], probed[k] = float(probe.feasible), True
            chances = chances * within
        return hoped, chances, probed

    @property
    def kept(self) -> list[tuple[Floats, Outlook]]:
        """All that there are, those too that were taken."""
        return list(zip(self.vectors, self._outlooks, strict=True))

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
        self._outlooks = [self._outlooks[k] for k in kept]
        self._hoped, self._chances = self._hoped[kept], self._chances[kept]
        self._worths, self._probed = self._worths[kept], self._probed[kept]

    def probe(self, count: int) -> None:
        """Probe ``count`` that were not, and learn from that: a few of the best at a time, the next
        as if these had come out as hoped.
        """
        if self._probes is None or not self.vectors:
            return
        front, left = self._front, [k for k, probed in enumerate(self._probed) if not probed]
        while count > 0 and left:
            worths = self._worths_beside(front)[left]
            chosen = [left[k] for k in np.argsort(-worths, kind="stable")[: min(count, _AT_ONCE)]]
            for k in chosen:
                count -= self._probes.known(self._outlooks[k]) is None
                self._probes.measured(self._outlooks[k])
            front = np.concatenate([front, self._hoped[chosen]])
            front = front[non_dominated(front)]
            left = [k for k in left if k not in chosen]
        self._learn()
        self._hoped, self._chances, self._probed = self._expected(self._outlooks)
        self._worths = self._worths_beside(self._front)

    def take(self, count: int) -> list[Floats]:
        """Up to ``count``, each the best after those before it; of those that were probed, where
        any was.
        """
        front, worths = self._front, self._worths
        left_out = ~self._probed if self._probed.any() else np.zeros(len(self.vectors), bool)
        taken: list[int] = []
        while len(taken) < min(count, int((~left_out).sum())):
            worths = np.where(left_out, -np.inf, worths)
            worths[taken] = -np.inf
            taken.append(int(worths.argmax()))
            front = np.concatenate([front, self._hoped[taken[-1:]]])
            front = front[non_dominated(front)]
            worths = self._worths_beside(front)
        return [self.vectors[k] for k in taken]


def _traits(outlooks: Sequence[Outlook]) -> Floats:
    return np.array([outlook.traits for outlook in outlooks], np.float64)


def _probe_traits(outlooks: Sequence[Outlook]) -> Floats:
    return np.array([outlook.probe_traits for outlook in outlooks], np.float64)
