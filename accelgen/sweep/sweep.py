"""A sweep as a value: what is varied, what is asked, and its points with their keys."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from accelgen import __version__
from accelgen.cache import digest
from accelgen.errors import InputError
from accelgen.names import FrozenMap, check_name, shorten, within
from accelgen.sweep.axes import MAX_POINTS, Axis, combinations
from accelgen.sweep.fields import Value, kind_of
from accelgen.sweep.metrics import Constraint, metric_name
from accelgen.sweep.sources import Sources, read_sources

__all__ = ["OBJECTIVES", "Point", "Sweep"]

_RECORDS = 1
"""Changes with what is recorded of a point."""

OBJECTIVES: tuple[Literal["latency", "energy", "edp"], ...] = ("latency", "energy", "edp")
"""What the mapping of every layer may minimise (field ``minimise``, default ``edp``)."""


@dataclass(frozen=True)
class Point:
    """A point of a sweep: all that its evaluation depends on.

    ``values`` are all fields, those that the sweep fixes included; ``sources`` what the networks
    and hardware that they name hold.  ``key`` is the same for the same contents and no others.
    """

    number: int
    key: str
    values: Mapping[str, Value]
    sources: Sources

    def __str__(self) -> str:
        """``point 17: array.i=8, network=resnet18``."""
        fields = ", ".join(f"{name}={value}" for name, value in self.values.items())
        return f"point {self.number}: {fields}"


@dataclass(frozen=True)
class Sweep:
    """Points of a design space: ``given`` ones first, then combinations of ``axes``.

    ``fixed`` are fields of all points, among them ``network`` and ``hardware`` unless an axis
    has them; see :mod:`accelgen.sweep.fields`.  With ``random`` that many combinations are drawn
    with ``seed``.  ``objectives`` are metrics that :func:`accelgen.sweep.pareto_front` weighs,
    ``constraints`` decide which points are feasible.  Files are looked for in ``folder`` first.

    Raises :class:`InputError` for unknown names, fields in two axes, and no points.
    """

    name: str
    fixed: Mapping[str, Value]
    axes: tuple[Axis, ...] = ()
    given: tuple[Mapping[str, Value], ...] = ()
    random: int | None = None
    seed: int = 0
    objectives: tuple[str, ...] = ("latency_ms", "energy_uj")
    constraints: tuple[Constraint, ...] = ()
    folder: Path = Path()

    def __post_init__(self) -> None:
        with within("name"):
            check_name(self.name, "sweep")
        object.__setattr__(self, "fixed", FrozenMap(self.fixed))
        object.__setattr__(self, "objectives", tuple(metric_name(x) for x in self.objectives))
        if not self.objectives:
            raise InputError("none", where="objectives", hint="objectives: [latency, energy]")
        if self.random is not None and self.random < 1:
            raise InputError(f"{self.random} points", where="random", hint="use 1 or more")
        if not self.axes and not self.given:
            raise InputError("no points", hint="give axes or points")
        if len(self.given) > MAX_POINTS:
            raise InputError(f"{len(self.given)} points, beyond {MAX_POINTS}", where="points")
        seen: set[str] = set()
        for axis in self.axes:
            for field in axis.fields:
                if field in seen:
                    raise InputError(f"{shorten(field)} twice", where="axes", hint="drop one")
                seen.add(field)
        for point in ({**self.fixed}, *self.given):
            for field in point:
                kind_of(field)
        for needed in ("network", "hardware"):
            everywhere = all(needed in point for point in self.given)
            if needed not in self.fixed and not (
                (needed in seen or not self.axes) and (everywhere or not self.given)
            ):
                raise InputError(f"no {needed}", where=self.name, hint=f"give {needed}: NAME")

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are not the same for all points by definition, in order."""
        varied = (*(field for axis in self.axes for field in axis.fields), *_keys(self.given))
        return tuple(dict.fromkeys(varied))

    def points(self) -> list[Point]:
        """All points, numbered from 0; the same list for the same sweep and files.

        Raises :class:`InputError` for networks and hardware that cannot be read.
        """
        combined = combinations(self.axes, self.random, self.seed) if self.axes else []
        values = [{**self.fixed, **point} for point in (*self.given, *combined)]
        sources = read_sources(values, self.folder)
        model = _model()
        return [
            Point(number, _key(point, sources, model), FrozenMap(point), sources)
            for number, point in enumerate(values)
        ]


def _keys(points: Sequence[Mapping[str, Value]]) -> list[str]:
    return [field for point in points for field in point]


def _model() -> str:
    """What computes points: results of another model are not taken from a journal."""
    # Only here, because what is compiled is slow to import.
    from accelgen.mapper.cache import MODEL

    return f"accelgen {__version__}, mapper {MODEL}, records {_RECORDS}"


def _key(values: Mapping[str, Value], sources: Sources, model: str) -> str:
    """What is evaluated by content: names of files are not in it, what they hold is."""
    rest = {k: v for k, v in values.items() if k not in ("network", "hardware")}
    return digest(
        (
            model,
            sources.common,
            sources.networks[str(values["network"])].digest,
            sources.hardware[str(values["hardware"])].digest,
            json.dumps(rest, sort_keys=True),
        )
    )
