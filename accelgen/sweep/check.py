"""Trying the axes of a sweep before it runs, so that a misspelt field is not 10,000 errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from accelgen.errors import AccelgenError
from accelgen.sweep.axes import Axis
from accelgen.sweep.evaluate import hardware_of, network_of, objective_of, plan_of, uneven_of
from accelgen.sweep.sweep import Sweep

__all__ = ["check_fields"]

_TRIED = 64
"""Most values of an axis that are tried."""


def check_fields(sweep: Sweep, where: Callable[[str], str]) -> None:
    """Build hardware and network for the values of each axis, with one value of the others.

    Raises the first error of an axis of which no value makes them; ``where`` says where a field
    is given.  An axis with one good value is good: the others' errors are results.
    """
    if sweep.given:
        _, error = _tried(replace(sweep, axes=(), random=None))
        if error is not None:
            raise _at(error, where("points"))
    chosen = [Axis(axis.fields, axis.values[:1]) for axis in sweep.axes]
    for number, axis in enumerate(sweep.axes):
        few = Axis(axis.fields, axis.values[:_TRIED])
        axes = (*chosen[:number], few, *chosen[number + 1 :])
        good, error = _tried(replace(sweep, axes=axes, given=(), random=None))
        if error is None:
            chosen[number] = Axis(axis.fields, (axis.values[good],))
            continue
        # Another axis may be to blame: without the others it must fail as well.
        needed = [one for one in chosen if {*one.fields} & {"network", "hardware"} - {*axis.fields}]
        _, error = _tried(replace(sweep, axes=(*needed, few), given=(), random=None))
        if error is not None:
            raise _at(error, where(axis.fields[0]))


def _tried(sweep: Sweep) -> tuple[int, AccelgenError | None]:
    """The first point that can be, or the first error when there is none."""
    first: AccelgenError | None = None
    for point in sweep.points():
        try:
            hardware_of(point)
            network_of(point)
            objective_of(point)
            uneven_of(point)
            plan_of(point)
        except AccelgenError as error:
            first = first or error
        else:
            return point.number, None
    return 0, first


def _at(error: AccelgenError, where: str) -> AccelgenError:
    error.where = ": ".join(part for part in (where, error.where) if part)
    return error
