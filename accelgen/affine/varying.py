"""Which coefficients of a dataflow change with the bounds, when these are registers."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.affine.description import Description
from accelgen.errors import InputError

__all__ = ["Varying", "varying"]


@dataclass(frozen=True)
class Varying:
    """Of a dataflow at any bounds, by workload loop.

    ``time[i][l]``: whether the coefficient of time loop ``l`` changes; ``offset[i]``: whether the
    constant does; ``leaves[i]``: whether ``i`` can leave its bounds at some bounds.
    """

    time: tuple[tuple[bool, ...], ...]
    offset: tuple[bool, ...]
    leaves: tuple[bool, ...]


def varying(description: Description) -> Varying:
    """What changes when the bounds of a description do.

    Raises :class:`InputError` when the displacement of a unit does, or the index of a tensor: links
    and memories would have to.
    """
    workload, flow = description.workload, description.dataflow
    for access in (workload.assignment.output, *workload.assignment.inputs):
        for index in access.indices:
            if index.sizes:
                raise InputError(
                    f"index {index} of {access.tensor} depends on the bounds",
                    where=f"{description.name}: expression",
                    hint="give every loop a dimension of its own, as "
                    f"{access.tensor}[{','.join(access.loops) or 0}], "
                    "or generate a design of fixed size",
                )
    fixed = {*flow.space, *flow.given_extents}
    time, offset, leaves = [], [], []
    for loop in workload.loops:
        expression = flow.expression(loop)
        changing = {term.name for term in expression.terms if not fixed.issuperset(term.sizes)}
        moved = [axis for axis in flow.space if axis in changing]
        if moved:
            raise InputError(
                f"how far {moved[0]} moves {loop} depends on the bounds",
                where=f"{description.name}: map",
                hint="multiply a space axis by constants and extents of axes only, "
                "or generate a design of fixed size",
            )
        time.append(tuple(name in changing for name in flow.time_loops))
        offset.append(None in changing)
        plain = str(expression) in flow.time_loops and str(expression) not in flow.given_extents
        leaves.append(not plain)
    return Varying(tuple(time), tuple(offset), tuple(leaves))
