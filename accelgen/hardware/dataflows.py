"""What a shipped dataflow lets an array do with any layer."""

from __future__ import annotations

from accelgen.affine.description import Description, load_description
from accelgen.affine.expr import parse_affine
from accelgen.affine.roles import Role, loop_roles, tensor_roles
from accelgen.hardware.model import Dataflow
from accelgen.names import FrozenMap

__all__ = ["dataflow_of", "described_dataflow"]


def dataflow_of(source: str) -> Dataflow:
    """The roles of the loops that each axis of a dataflow description unrolls, and the tensors
    that its innermost time loops keep where they are.

    ``source`` names a shipped dataflow or a file.  Raises :class:`InputError`.
    """
    return described_dataflow(load_description(source))


def described_dataflow(description: Description) -> Dataflow:
    """The same of a description."""
    workload, flow = description.workload, description.dataflow
    letters = loop_roles(workload)
    maps = {loop: parse_affine(flow.map.get(loop, loop)) for loop in workload.loops}
    unrolls = {
        axis: tuple(dict.fromkeys(letters[x] for x in workload.loops if axis in maps[x].names))
        for axis in flow.space
    }
    several = any(len([x for x in maps if axis in maps[x].names]) > 1 for axis in flow.space)
    return Dataflow(
        description.name,
        FrozenMap({axis: letters for axis, letters in unrolls.items() if letters}),
        several,
        _stationary(description),
    )


def _stationary(description: Description) -> Role | None:
    """The role of the tensor that stays longest: more of the innermost time loops than of any
    other tensor do not move it.
    """
    workload, flow = description.workload, description.dataflow
    roles = tensor_roles(workload)
    maps = {loop: parse_affine(flow.map.get(loop, loop)) for loop in workload.loops}
    names = [x if isinstance(x, str) else next(iter(x)) for x in flow.time]
    kept: dict[Role, int] = {}
    for access in workload.accesses:
        moving = {
            name
            for row in access.matrix
            for loop, c in zip(workload.loops, row, strict=True)
            if c
            for name in maps[loop].names
        }
        still = 0
        while still < len(names) and names[-1 - still] not in moving:
            still += 1
        kept[roles[access.name]] = still
    longest = max(kept.values())
    best = [role for role, still in kept.items() if still == longest]
    return best[0] if longest > 0 and len(best) == 1 else None
