"""The task: an architecture with its formats on hardware; accuracy first, then mappings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from accelgen.accuracy.source import Accuracy, AccuracySource, LayerBits
from accelgen.search.subject import Figures
from accelgen.search.subjects.evaluate import Trial, evaluate, figures_of
from accelgen.search.subjects.records import recorded
from accelgen.store import Json
from accelgen.sweep.metrics import Constraint

__all__ = ["ElasticTrial", "elastic_figures", "evaluate_elastic"]


@dataclass(frozen=True)
class ElasticTrial:
    """``mapped``: a network, which is ``architecture`` with ``bits``, on hardware.

    ``judge`` is its accuracy where that is known, else what says it; where that is not within
    ``limits`` (constraints on ``accuracy``), nothing is mapped.
    """

    key: str
    mapped: Trial
    architecture: Mapping[str, int]
    bits: Mapping[str, LayerBits]
    judge: Accuracy | AccuracySource
    limits: tuple[Constraint, ...] = ()

    @property
    def number(self) -> int:
        """See :class:`accelgen.search.subject.TrialLike`."""
        return self.mapped.number

    @property
    def limit(self) -> float:
        """See :class:`accelgen.search.subject.TrialLike`."""
        return self.mapped.limit

    def limited(self, metric: str, limit: float) -> ElasticTrial:
        """See :class:`accelgen.search.subject.TrialLike`."""
        return replace(self, mapped=self.mapped.limited(metric, limit))

    def __str__(self) -> str:
        """``trial 17: 12 x 14 units on ofa_mobilenet_v3``."""
        return str(self.mapped)


def evaluate_elastic(trial: ElasticTrial) -> dict[str, Json]:
    """Judge the accuracy; where it is within the limits, simulate with the best mappings.

    Returns ``accuracy``, ``accuracy_kind`` and ``accuracy_source`` with what
    :func:`accelgen.search.subjects.evaluate.evaluate` does; without the figures of networks where
    the accuracy is out of the limits; ``error`` where it cannot be judged.  Depends on nothing but
    the trial.
    """
    hardware = trial.mapped.hardware

    def judge(record: dict[str, Json]) -> None:
        found = trial.judge
        if not isinstance(found, Accuracy):
            found = found.accuracy(trial.architecture, trial.bits)
        record |= {
            "accuracy": found.value,
            "accuracy_kind": found.kind,
            "accuracy_source": found.source,
        }
        if all(limit.holds(found.value) for limit in trial.limits):
            record |= evaluate(trial.mapped)

    return recorded({"clock_mhz": hardware.clock_mhz, "area_mm2": hardware.area_mm2}, judge)


def elastic_figures(record: Mapping[str, Json]) -> Figures:
    """Those of :func:`accelgen.search.subjects.evaluate.figures_of`, and ``accuracy`` (``None``:
    not known).
    """
    value = record.get("accuracy")
    accuracy = float(value) if isinstance(value, int | float) else None
    return {**figures_of(record), "accuracy": accuracy}
