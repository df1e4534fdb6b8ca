"""Optimisers behind ask and tell: CMA-ES for one objective, NSGA-II for fronts, random vectors.

CMA-ES is that of the package cmaes (which Optuna's sampler wraps), NSGA-II and random vectors are
Optuna's.  All of them depend on nothing but the seed and what they are told, in the order told: a
search that is asked again for what it was told before asks the same again.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from accelgen.search.optimisers.offspring import Children, Elite, parts_of
from accelgen.search.optimisers.outlook import outlook_of
from accelgen.search.optimisers.probes import probes_of
from accelgen.search.optimisers.screening import Screened
from accelgen.search.search import Search
from accelgen.search.vector import Vector

__all__ = ["CmaEs", "Nsga2", "Optimiser", "RandomVectors", "optimiser_of"]

Told = tuple[Vector, tuple[float, ...] | None]
"""A vector and its objectives, less being better; ``None``: rejected or infeasible."""

Floats = NDArray[np.float64]

_FIRST = 4
"""Populations of vectors from the whole cube before CMA-ES begins."""

_SIGMA = 0.2
"""First step of CMA-ES, in a cube of length 1."""

_SMALLEST_STEP = 0.01
"""Step size below which CMA-ES starts again with twice the vectors."""

_BAD = 1e30
"""Objective of what has none: worse than all that has, where only the order counts."""

_BATCH = 32

_GENERATION = 12
_SCREENED = 6
"""Vectors per generation where a model chooses them: it learns from every one."""

_KEPT = 36
"""Vectors that are parents of the next generation, or three generations where that is more."""


class Optimiser(Protocol):
    """Asks for ``population`` vectors at a time and is told all of them, in order."""

    population: int

    @property
    def probed(self) -> int:
        """How often it had a figure measured by itself (:mod:`.probes`)."""

    def ask(self) -> list[Vector]:
        """The next vectors."""

    def tell(self, told: Sequence[Told]) -> None:
        """What became of them."""


class CmaEs:
    """CMA-ES that begins at the best of the vectors ``starts`` and some from the whole cube.

    When its steps have become small it begins again: at the best vector so far and at the best of
    new ones in turn, each time with twice the vectors per generation.
    """

    def __init__(
        self,
        genes: int,
        seed: int,
        population: int | None = None,
        starts: Sequence[Vector] = (),
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._genes = genes
        # cmaes has a covariance for two dimensions and more; a spare one changes nothing.
        self._dimensions = max(2, genes)
        self.population = population or 4 + math.floor(3 * math.log(self._dimensions))
        self._cma: Any = None
        self._best: tuple[float, Floats] = (math.inf, np.full(self._dimensions, 0.5))
        self._restarts = 0
        self._starts = [np.array([*start, *[0.5] * (self._dimensions - genes)]) for start in starts]

    probed = 0

    def ask(self) -> list[Vector]:
        """See :class:`Optimiser`."""
        if self._cma is None:
            count = _FIRST * self.population
            others = self._rng.random((max(0, count - len(self._starts)), self._dimensions))
            self._asked = [*self._starts, *others]
            self._starts = []
        else:
            self._asked = [self._cma.ask() for _ in range(self.population)]
        return [tuple(float(x) for x in vector[: self._genes]) for vector in self._asked]

    def tell(self, told: Sequence[Told]) -> None:
        """See :class:`Optimiser`."""
        values = [_BAD if value is None else value[0] for _, value in told]
        best = int(np.argmin(values))
        here = values[best], self._asked[best]
        self._best = min(self._best, here, key=lambda entry: entry[0])
        if self._cma is None:
            self._start(here[1], _SIGMA)
            return
        self._cma.tell(list(zip(self._asked, values, strict=True)))
        if self._cma.should_stop() or self._cma._sigma < _SMALLEST_STEP:
            self.population *= 2
            self._restarts += 1
            if self._restarts % 2:
                self._start(self._best[1], _SIGMA / 2)
            else:
                self._cma = None

    def _start(self, mean: Floats, sigma: float) -> None:
        from cmaes import CMA

        self._cma = CMA(
            mean=mean,
            sigma=sigma,
            bounds=np.tile([0.0, 1.0], (self._dimensions, 1)),
            seed=int(self._rng.integers(1 << 31)),
            population_size=self.population,
        )


class _Sampled:
    """A sampler of Optuna: a study in memory, of which the trials are vectors."""

    def __init__(
        self,
        genes: int,
        objectives: int,
        sampler: object,
        population: int,
        starts: Sequence[Vector] = (),
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.population = population
        self._study = optuna.create_study(
            directions=["minimize"] * objectives,
            sampler=sampler,  # type: ignore[arg-type]
        )
        unit = optuna.distributions.FloatDistribution(0.0, 1.0)
        self._genes: dict[str, optuna.distributions.BaseDistribution] = {
            f"g{number:04}": unit for number in range(genes)
        }
        self._objectives = objectives
        for vector in starts:
            self._study.enqueue_trial(dict(zip(self._genes, vector, strict=True)))
        self._first = max(population, len(starts))

    @property
    def probed(self) -> int:
        """See :class:`Optimiser`."""
        return 0

    def ask(self) -> list[Vector]:
        """See :class:`Optimiser`."""
        count, self._first = max(self.population, self._first), 0
        self._asked = [self._study.ask(self._genes) for _ in range(count)]
        for trial in self._asked:
            # Else samplers do not see those that were given, and count no generation of them.
            _ = trial.relative_params
        return [tuple(float(trial.params[name]) for name in self._genes) for trial in self._asked]

    def tell(self, told: Sequence[Told]) -> None:
        """See :class:`Optimiser`."""
        for trial, (_, values) in zip(self._asked, told, strict=True):
            self._study.tell(trial, values or (_BAD,) * self._objectives)


class Nsga2(_Sampled):
    """NSGA-II with ``population`` vectors per generation, of which several times as many are kept.

    The first generation has the vectors ``starts`` and others at random; those after it are
    ``children`` (:mod:`accelgen.search.optimisers.offspring`,
    :mod:`accelgen.search.optimisers.screening`).
    """

    def __init__(
        self,
        genes: int,
        objectives: int,
        seed: int,
        population: int = _GENERATION,
        starts: Sequence[Vector] = (),
        children: Children | None = None,
    ) -> None:
        import optuna

        self._children = children or Children((genes,), seed)
        with warnings.catch_warnings():
            # What makes children and what is kept are called experimental arguments.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.NSGAIISampler(
                population_size=population,
                seed=seed,
                elite_population_selection_strategy=Elite(max(_KEPT, 3 * population)),
                child_generation_strategy=self._children,
            )
        super().__init__(genes, objectives, sampler, population, starts)

    @property
    def probed(self) -> int:
        """See :class:`Optimiser`."""
        return self._children.probed


class RandomVectors(_Sampled):
    """Vectors evenly from the cube."""

    def __init__(
        self, genes: int, objectives: int, seed: int, population: int | None = None
    ) -> None:
        import optuna

        sampler = optuna.samplers.RandomSampler(seed=seed)
        super().__init__(genes, objectives, sampler, population or _BATCH)


def optimiser_of(search: Search) -> Optimiser:
    """The optimiser that a search asks for."""
    space, objectives = search.space, len(search.objectives)
    genes = len(space.genes)
    if search.method == "cma_es":
        return CmaEs(genes, search.seed, search.population, space.starts)
    if search.method == "random":
        return RandomVectors(genes, objectives, search.seed, search.population)
    if search.method == "forest":
        return _screened(search)
    count = search.population or _GENERATION
    children = Children(parts_of(space.genes), search.seed)
    return Nsga2(genes, objectives, search.seed, count, space.starts, children)


def _screened(search: Search) -> Nsga2:
    """Probes tell what to begin with: of the starts few are evaluated, all are candidates."""
    space, count, probes = search.space, search.population or _SCREENED, probes_of(search)
    children = Screened(
        space.genes, search.seed, _BAD, count, outlook_of(search),
        probes=probes, limits=search.limits, anchors=space.starts if probes else (),
    )  # fmt: skip
    starts = space.starts if probes is None else space.opening
    return Nsga2(len(space.genes), len(search.objectives), search.seed, count, starts, children)
