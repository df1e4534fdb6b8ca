"""The Pareto front of a sweep, and what a point of it buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InfeasibleError, InputError
from accelgen.sweep.metrics import is_maximised, metric_name
from accelgen.sweep.results import Cell, Results

__all__ = ["Change", "Explanation", "explain", "non_dominated", "objective_names", "pareto_front"]


def non_dominated(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows no other row beats: is no larger anywhere and smaller somewhere.

    Equal rows beat each other not.  Rows with NaN are beaten.  Time grows with rows times rows
    that are not beaten.
    """
    good = ~np.isnan(values).any(axis=1)
    unique, inverse = np.unique(values[good], axis=0, return_inverse=True)
    kept = np.ones(len(unique), dtype=np.bool_)
    # Sorted by the first column, a row can only be beaten by one before it.
    left = np.arange(len(unique))
    while len(left):
        best, rest = left[0], left[1:]
        beaten = (unique[rest] >= unique[best]).all(axis=1)
        kept[rest[beaten]] = False
        left = rest[~beaten]
    mask = np.zeros(len(values), dtype=np.bool_)
    mask[good] = kept[inverse.reshape(-1)]
    return mask


def objective_names(results: Results, objectives: Sequence[str] | None = None) -> tuple[str, ...]:
    """The columns that are weighed: given ones, else those of the sweep that any point has.

    Raises :class:`InputError` for unknown ones, and for given ones that no point has.
    """
    known = results.numeric
    given = results.objectives if objectives is None else objectives
    names = tuple(dict.fromkeys(metric_name(name, known) for name in given))
    if objectives is None and any(name in known for name in names):
        names = tuple(name for name in names if name in known)
    if not names:
        raise InputError("no objective", hint="use latency,energy")
    for name in names:
        if name not in known:
            hint = "give areas in the hardware" if name == "area_mm2" else "name another"
            raise InputError(f"no point has a number for {name}", where=results.name, hint=hint)
    return names


def pareto_front(results: Results, objectives: Sequence[str] | None = None) -> tuple[int, ...]:
    """Numbers of the feasible points that no other feasible one beats, best first objective first.

    Less is better, but for utilisation.  Raises :class:`InfeasibleError` when nothing is
    feasible, saying which constraint binds.
    """
    if len(results) and not results.feasible.any():
        # Before the objectives, of which no point may have a number then.
        raise _infeasible(results)
    values = _values(results, objective_names(results, objectives))
    values[~results.feasible] = np.nan
    numbers = np.flatnonzero(non_dominated(values))
    if not len(numbers):
        raise _infeasible(results)
    order = np.lexsort(values[numbers].T[::-1])
    return tuple(int(number) for number in numbers[order])


def _infeasible(results: Results) -> InfeasibleError:
    return InfeasibleError(
        f"none of {len(results)} points is feasible", where=results.name, hint=_binding(results)
    )


def _values(results: Results, names: Sequence[str]) -> NDArray[np.float64]:
    """A column per objective, of which less is better."""
    signs = [-1.0 if is_maximised(name) else 1.0 for name in names]
    return np.stack([s * results.numbers(n) for s, n in zip(signs, names, strict=True)], axis=1)


def _binding(results: Results) -> str:
    """Which constraints keep how many points out, and how near the nearest comes."""
    reasons = [str(reason) for reason in results.columns["reason"]]
    said = []
    for constraint in results.constraints:
        out = [n for n, reason in enumerate(reasons) if f", {constraint} is wanted" in reason]
        name = next((x for x in constraint.split(" ") if x in results.columns), None)
        if out and name is not None:
            values = results.numbers(name)[out]
            text = f"{constraint} keeps {len(out)} out"
            if np.isnan(values).all():
                text += f" ({name} is not known)"
            else:
                low, high = np.nanmin(values), np.nanmax(values)
                text += f" ({name} is {low:.6g} to {high:.6g})"
            said.append(text)
    if not said:
        return f"the first says: {reasons[0]}"
    return "; ".join(said)


@dataclass(frozen=True)
class Change:
    """From the chosen point to another: fields that differ, and objectives as ratios."""

    point: int
    fields: tuple[tuple[str, Cell, Cell], ...]
    ratios: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Explanation:
    """A point, and those beside it.

    ``on_front``: ``changes`` lead to its neighbours on the front, in each objective the next
    better and the next worse one.  Otherwise they lead to the points of the front that beat it.
    ``reason`` says why it is infeasible.
    """

    point: int
    on_front: bool
    reason: str | None
    changes: tuple[Change, ...]


def explain(
    results: Results, number: int, objectives: Sequence[str] | None = None, most: int = 6
) -> Explanation:
    """What the point ``number`` costs and buys against its neighbours, at most so many.

    Raises :class:`InputError` when there is no such point.
    """
    names = objective_names(results, objectives)
    row = results.row(number)
    front = pareto_front(results, names)
    values = _values(results, names)
    on_front = number in front
    if on_front:
        others = _neighbours(values, front, number)
    else:
        beats = [
            other
            for other in front
            if (values[other] <= values[number]).all() or np.isnan(values[number]).any()
        ]
        # Nearest first: the one that changes the fewest fields.
        others = sorted(beats, key=lambda other: len(_differences(results, number, other)))
    reason = None if row["feasible"] else str(row["reason"])
    changes = tuple(_change(results, names, number, other) for other in others[:most])
    return Explanation(number, on_front, reason, changes)


def _neighbours(values: NDArray[np.float64], front: Sequence[int], number: int) -> list[int]:
    """In each objective the points of the front with the next smaller and larger value."""
    found: dict[int, None] = {}
    for column in values.T:
        here = column[number]
        smaller = [other for other in front if column[other] < here]
        larger = [other for other in front if column[other] > here]
        if smaller:
            found[max(smaller, key=lambda other: float(column[other]))] = None
        if larger:
            found[min(larger, key=lambda other: float(column[other]))] = None
    equal = [o for o in front if o != number and (values[o] == values[number]).all()]
    return [*found, *(other for other in equal if other not in found)]


def _differences(results: Results, number: int, other: int) -> tuple[tuple[str, Cell, Cell], ...]:
    columns = ((field, results.columns[field]) for field in results.fields)
    return tuple(
        (field, column[number], column[other])
        for field, column in columns
        if column[number] != column[other]
    )


def _change(results: Results, names: Sequence[str], number: int, other: int) -> Change:
    ratios = []
    for name in names:
        old, new = results.columns[name][number], results.columns[name][other]
        if isinstance(old, int | float) and isinstance(new, int | float) and old:
            ratios.append((name, new / old))
    return Change(other, _differences(results, number, other), tuple(ratios))
