"""From words to integers: the extents that follow, the matrices, the check."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from accelgen.affine.dataflow import MAX_EXTENT, Dataflow
from accelgen.affine.expr import Affine, SizeOf
from accelgen.affine.legality import check_legal
from accelgen.affine.spacetime import IntMatrix, SpaceTime
from accelgen.affine.workload import Workload
from accelgen.errors import InputError
from accelgen.names import check_name, within

__all__ = ["lower", "resolve_extents"]

MAX_STEPS = 2**48


class _NotKnownError(Exception):
    """An extent that is needed has not been found yet."""


def lower(workload: Workload, dataflow: Dataflow, name: str = "kernel") -> SpaceTime:
    """The integer form of ``workload`` laid out by ``dataflow``, checked to be legal.

    Raises :class:`InputError` when a name is unknown, an extent does not follow, or an iteration
    is not executed exactly once (with the first such iteration).
    """
    check_name(name, "kernel")
    with within(name):
        dataflow.check_names(workload.loops, workload.tensors)
        extents = resolve_extents(workload, dataflow)
    steps = prod(extents.values())
    if steps > MAX_STEPS:
        raise InputError(f"{steps} time steps, beyond 2**48", where=f"{name}: time")
    sizes = {**workload.domain, **extents, **dataflow.space}
    maps = [dataflow.expression(loop) for loop in workload.loops]

    def rows(names: Sequence[str | None]) -> IntMatrix:
        return tuple(tuple(m.coefficient(n, sizes.__getitem__) for n in names) for m in maps)

    with within(f"{name}: map"):
        matrices = rows(dataflow.time_loops), rows(dataflow.axes), rows((None,))
    spacetime = SpaceTime(
        name=name,
        loops=workload.loops,
        bounds=tuple(workload.domain.values()),
        time=dataflow.time_loops,
        time_extents=tuple(extents[loop] for loop in dataflow.time_loops),
        space=dataflow.axes,
        space_extents=tuple(dataflow.space.values()),
        time_matrix=matrices[0],
        space_matrix=matrices[1],
        offset=tuple(row[0] for row in matrices[2]),
        skew=dataflow.skews,
        tensors=workload.accesses,
        chains=tuple(dataflow.chain.items()),
        product=workload.product,
    )
    check_legal(spacetime)
    return spacetime


def resolve_extents(workload: Workload, dataflow: Dataflow) -> dict[str, int]:
    """The extent of every time loop: as given, else the least that reaches what it must.

    Within a map, a loop must reach the next larger coefficient, and the loop with the largest
    one must reach the bound.  Raises :class:`InputError` for a loop whose extent does not follow.
    """
    known = dataflow.given_extents
    maps = {loop: dataflow.expression(loop) for loop in workload.loops}
    open_loops = [loop for loop in dataflow.time_loops if loop not in known]

    def size_of(name: str) -> int:
        if name in dataflow.space:
            return dataflow.space[name]
        if name in known:
            return known[name]
        if name in dataflow.time_loops:
            raise _NotKnownError
        return workload.domain[name]

    while open_loops:
        with within("map"):
            needs = {
                name: [
                    _needed(name, expression, workload.domain[loop], size_of)
                    for loop, expression in maps.items()
                    if name in expression.names
                ]
                for name in open_loops
            }
        # A loop in several maps waits until each has its say, unless that would be for ever.
        found = {n: max(_said(say)) for n, say in needs.items() if say and None not in say}
        found = found or {n: max(_said(say)) for n, say in needs.items() if _said(say)}
        if not found:
            name = open_loops[0]
            if not any(name in expression.names for expression in maps.values()):
                raise InputError(
                    f"no map uses time loop {name}", where="time", hint="use it or remove it"
                )
            raise InputError(
                f"the extent of time loop {name} does not follow from the bounds and the map",
                where="time",
                hint=f"give it in the list: {{{name}: 4}}",
            )
        for name, extent in found.items():
            if extent > MAX_EXTENT:
                raise InputError(
                    f"{name}: an extent of {extent} is beyond {MAX_EXTENT}", where="time"
                )
        known.update(found)
        open_loops = [name for name in open_loops if name not in known]
    return {loop: known[loop] for loop in dataflow.time_loops}


def _said(needs: list[int | None]) -> list[int]:
    return [need for need in needs if need is not None]


def _is_one(name: str, size_of: SizeOf) -> bool:
    """Whether a loop is known to stand still: an array of extent 1 has no say."""
    try:
        return size_of(name) == 1
    except _NotKnownError:
        return False


def _needed(name: str, expression: Affine, bound: int, size_of: SizeOf) -> int | None:
    """The extent ``name`` needs in one map; ``None`` when the map does not say (yet)."""
    try:
        coefficients = {n: expression.coefficient(n, size_of) for n in expression.names}
        step = coefficients[name]
        others = {
            n: c for n, c in coefficients.items() if n != name and c and not _is_one(n, size_of)
        }
        if step == 0 or any(abs(c) == abs(step) for c in others.values()):
            return None
        spans = {n: c * (size_of(n) - 1) for n, c in others.items() if abs(c) < abs(step)}
    except _NotKnownError:
        return None
    larger = [abs(c) for c in others.values() if abs(c) > abs(step)]
    span = 1 + sum(abs(s) for s in spans.values())
    if larger:
        missing = min(larger) - span
    else:
        try:
            offset = expression.coefficient(None, size_of)
        except _NotKnownError:
            missing = bound - span
        else:
            if step > 0:
                missing = bound - 1 - offset - sum(s for s in spans.values() if s > 0)
            else:
                missing = offset + sum(s for s in spans.values() if s < 0)
    return max(0, -(-missing // abs(step))) + 1
