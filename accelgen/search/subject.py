"""What a search is about: how a value of its space is evaluated, and what is said of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from accelgen.names import FrozenMap
from accelgen.search.vector import Rejected
from accelgen.store import Json
from accelgen.sweep.executors import Task

__all__ = [
    "Candidate", "DesignLike", "Figures", "Forecast", "Foretold", "Probed", "Subject", "TrialLike",
]  # fmt: skip

Figures = dict[str, float | None]
"""By the names of metrics (:mod:`accelgen.sweep.metrics`), and what else is known of a design."""


class DesignLike(Protocol):
    """A design that is judged."""

    def described(self) -> Mapping[str, int | float | str]:
        """Its columns in tables: those that its subject names."""

    def to_json(self) -> dict[str, Json]:
        """All that it takes to make it again."""

    def write(self, folder: Path, name: str, comment: str) -> list[Path]:
        """Write files that other commands take into ``folder``; returns them."""


class TrialLike(Protocol):
    """What is evaluated: ``key`` is the same for the same contents and no others; ``number`` counts
    the trials of a search.
    """

    @property
    def number(self) -> int:
        """From 0."""

    @property
    def key(self) -> str:
        """By content."""

    @property
    def limit(self) -> float:
        """The most of an objective that is worth knowing."""

    def limited(self, metric: str, limit: float) -> TrialLike:
        """The same, which may be given up where ``metric`` is above ``limit``."""


@dataclass(frozen=True)
class Candidate:
    """What a vector stands for: a design, and the trial that evaluates it."""

    design: DesignLike
    trial: TrialLike


class Subject(Protocol):
    """See the module.  All of it is frozen."""

    @property
    def about(self) -> str:
        """A line for people: resources, cost model, where accuracies come from."""

    @property
    def names(self) -> tuple[str, ...]:
        """The networks that designs are judged on."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of :meth:`DesignLike.described`."""

    @property
    def shown(self) -> tuple[str, ...]:
        """Those of ``columns`` that a terminal has room for."""

    @property
    def limited(self) -> tuple[str, ...]:
        """Metrics that a trial can be limited in."""

    @property
    def task(self) -> Task[Any]:
        """Evaluates a trial; importable by name."""

    @property
    def definition(self) -> Mapping[str, Json]:
        """What journals are told apart by, beside the space and what is asked of designs."""

    def candidate(self, number: int, found: FrozenMap[str, Any]) -> Candidate | Rejected:
        """What the values of the spaces stand for, or why it is none."""

    def figures(self, record: Mapping[str, Json]) -> Figures:
        """What is judged, from what is recorded of a trial."""

    def next_command(self, folder: Path, point: int) -> tuple[str, ...]:
        """What to do with a point of results in ``folder``: words of a command line."""


@dataclass(frozen=True)
class Forecast:
    """What is known of a design at once: ``traits``, numbers that figures follow, the same names
    for all designs of a subject, and first estimates of some ``figures``.  Designs with the
    same traits are expected to have nearly the same figures, but for those that are probed.
    """

    traits: Mapping[str, float]
    figures: Mapping[str, float]


@runtime_checkable
class Foretold(Protocol):
    """A subject that knows something of designs before they are evaluated."""

    def forecast(self, design: Any) -> Forecast:  # noqa: ANN401 - a DesignLike of its own
        """Of a design of this subject."""


@runtime_checkable
class Probed(Foretold, Protocol):
    """A subject that has some figures in a small part of the time that an evaluation takes."""

    @property
    def probed(self) -> tuple[str, ...]:
        """Their names."""

    def probe_key(self, design: Any) -> Hashable:  # noqa: ANN401 - a DesignLike of its own
        """The same for designs that have these figures in common, and for no others."""

    def probe_traits(self, design: Any) -> Mapping[str, float]:  # noqa: ANN401 - a DesignLike of its own
        """Numbers that these figures follow, the same names for all designs; of designs with the
        same key the same.
        """

    def probe(self, design: Any) -> Figures:  # noqa: ANN401 - a DesignLike of its own
        """These figures, the same as of an evaluation.

        Raises :class:`accelgen.errors.AccelgenError` where an evaluation ends in this error.
        """
