"""The numbers that a problem is described to the hardware by: extents, steps, origins, depths.

Levels count time loops from the outermost of the deepest dataflow: one with fewer loops has loops
of one iteration around them.  The loop over a shift chain has the level behind all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto

from accelgen.fabric.fabric import Fabric, Guard, InputPlan, OutputPlan
from accelgen.processor.flow import Flow

__all__ = ["Kind", "Number", "fold", "guarded", "numbers_of", "write_guarded"]


class Kind(Enum):
    """What a number counts: from this follow its width, and which units look at it."""

    FORMAT = auto()  # which of several formats a problem is in
    LAST = auto()  # iterations of a loop, less one
    GAP = auto()  # idle cycles
    GUARD = auto()  # what an index begins with, or that less its bound
    GUARD_STEP = auto()
    ADDRESS = auto()  # words, modulo the memory: an address, a step, a stride
    RESIDUE = auto()  # an index or its step, modulo the banks
    ROW = auto()  # elements of a row
    EDGE = auto()  # the last index in an outer dimension
    WORDS = auto()  # taken in every memory
    DEPTH = auto()  # cycles in a link, beyond one
    HOLDS = auto()  # whether a link passes anything on


@dataclass(frozen=True)
class Number:
    """A value, and whether it is another at other bounds (of the same dataflow).

    ``tensor`` names the tensor of the design it is of ("": the array), ``index`` the dimension of
    its layout or the guard.
    """

    value: int
    kind: Kind
    varies: bool = True
    tensor: str = ""
    index: int = 0


def numbers_of(flow: Flow, fabric: Fabric, levels: int) -> dict[str, Number]:
    """All numbers of a problem of a dataflow, by name.

    ``last<l>``: the extent of loop ``l`` less one.  ``gap<l>``: cycles idle after it steps;
    ``<x>_gap<l>`` the same of the loading of an input.  Of every tensor ``x``: ``<x>_at`` and
    ``<x>_step<l>``, its first address and the steps of it; ``<x>_at_<j>`` and ``<x>_turn<l>_<j>``
    the same of the residue in dimension ``j``; ``<x>_row``, ``<x>_last_<j>``, ``<x>_stride_<j>``:
    its shape; ``<x>_words``: the words it takes in a memory.  ``guard<k>_below``,
    ``guard<k>_above``: the k-th guarded loop at first, and at first less its bound, where a unit
    compares it with 0, and with that; ``guard<k>_by<l>``: its steps; ``write<k>_...`` the same of
    the output's dimensions.  ``<x>_depth<n>`` and
    ``<x>_holds<n>``: cycles beyond one in link ``n``, and whether the link holds at all.
    """
    found: dict[str, Number] = {}
    pad = levels - len(fabric.kernel.time)
    given = flow.description.dataflow.given_extents
    for level in range(levels):
        name = fabric.kernel.time[level - pad] if level >= pad else None
        extent = 1 if name is None else fabric.kernel.time_extents[level - pad]
        found[f"last{level}"] = Number(
            extent - 1, Kind.LAST, name is not None and name not in given
        )
    domain = fabric.domain
    for level, gap in enumerate(domain.gaps):
        found[f"gap{level + pad}"] = Number(gap, Kind.GAP, _paced(flow, level))
    for k, d in enumerate(guarded(fabric)):
        steps = [
            (level + pad, Number(domain.steps[d][level], Kind.GUARD_STEP, change, index=k))
            for level, change in enumerate(flow.varying.time[d])
        ]
        origin = Number(domain.origin[d], Kind.GUARD, index=k)
        guards = _of_dimension(fabric.guards, d)
        _put_guard(found, f"guard{k}", guards, origin, fabric.kernel.bounds[d], steps)
    for plan in fabric.plans:
        _put_tensor(found, flow, fabric, plan, levels)
    _put_write_guards(found, flow, fabric, levels)
    return found


def guarded(fabric: Fabric) -> list[int]:
    """The workload loops that units compare with their bounds."""
    return sorted({guard.dimension for unit in fabric.guards for guard in unit})


def write_guarded(fabric: Fabric) -> list[int]:
    """The dimensions of the output that slots compare with its shape."""
    return sorted({guard.dimension for slot in fabric.output.guards for guard in slot})


def fold(level: int, loops: int, levels: int) -> int:
    """The level of loop ``level`` of a pattern of a kernel of ``loops``: a chain's is the last."""
    return levels if level >= loops else level + levels - loops


def _paced(flow: Flow, level: int) -> bool:
    """Whether a chain can stretch the schedule at a level, or inside of it."""
    holds = [
        flow.structure.hold[name]
        for name, chain in flow.structure.chains.items()
        if chain is not None
    ]
    return any(hold is not None and hold - 1 >= level for hold in holds)


def _of_dimension(guards: Iterable[Iterable[Guard]], dimension: int) -> list[Guard]:
    return [guard for unit in guards for guard in unit if guard.dimension == dimension]


def _put_guard(
    found: dict[str, Number],
    name: str,
    guards: list[Guard],
    origin: Number,
    bound: int,
    steps: list[tuple[int, Number]],
) -> None:
    if any(guard.low is not None for guard in guards):
        found[f"{name}_below"] = origin
    if any(guard.high is not None for guard in guards):
        found[f"{name}_above"] = replace(origin, value=origin.value - bound)
    for level, step in steps:
        if step.value or step.varies:
            # Not "step": a tensor may be called Guard0.
            found[f"{name}_by{level}"] = step


def _level(plan: InputPlan | OutputPlan, level: int, loops: int, levels: int) -> int:
    """The level of a loop of a tensor's pattern: the loop over its chain is the last of all."""
    chained = plan.chain is not None and level == len(plan.pattern.extents) - 1
    return fold(loops if chained else level, loops, levels)


def _put_tensor(
    found: dict[str, Number],
    flow: Flow,
    fabric: Fabric,
    plan: InputPlan | OutputPlan,
    levels: int,
) -> None:
    tensor, banked = plan.tensor.name, plan.banked
    layout, form = banked.layout, flow.run_time.forms[tensor]
    loops = len(fabric.kernel.time)
    varies = _varying_steps(flow, plan)

    def put(name: str, value: int, kind: Kind, index: int = 0, *, varies: bool = True) -> None:
        found[f"{tensor.lower()}_{name}"] = Number(value, kind, varies, tensor, index)

    address = 0
    for j, (modulus, stride) in enumerate(zip(layout.moduli, layout.strides, strict=True)):
        address += banked.origin[j] // modulus * stride
        if banked.rotating[j]:
            put(f"at_{j}", banked.origin[j] % modulus, Kind.RESIDUE, j)
    put("at", address, Kind.ADDRESS)
    for level in range(len(banked.extents)):
        place = _level(plan, level, loops, levels)
        step, moves = 0, False
        for j, (modulus, stride) in enumerate(zip(layout.moduli, layout.strides, strict=True)):
            by = banked.steps[j][level]
            moved = any(plan.pattern.steps[d][level] or varies[d][level] for d in form.dims[j])
            step += by // modulus * stride
            moves = moves or moved
            if banked.rotating[j] and moved:
                # Steps of merged dimensions are multiples of extents.
                changes = len(form.dims[j]) > 1 or any(varies[d][level] for d in form.dims[j])
                put(f"turn{place}_{j}", by % modulus, Kind.RESIDUE, j, varies=changes)
        if moves:
            put(f"step{place}", step, Kind.ADDRESS)
    if isinstance(plan, InputPlan):
        for level, gap in enumerate(banked.gaps):
            last = plan.chain is not None and level == len(banked.gaps) - 1
            paced = not last and (plan.hold is not None or _paced(flow, level))
            put(f"gap{_level(plan, level, loops, levels)}", gap, Kind.GAP, varies=paced)
        for n, link in enumerate(plan.interconnect.links):
            if link.predicated:
                put(f"depth{n}", max(0, link.depth - 1), Kind.DEPTH)
                put(f"holds{n}", int(link.depth > 0), Kind.HOLDS)
    put("row", layout.shape[-1], Kind.ROW)
    for j in range(len(layout.shape) - 1):
        put(f"last_{j}", layout.shape[j] - 1, Kind.EDGE, j)
        put(f"stride_{j}", layout.strides[j], Kind.ADDRESS)
    put("words", layout.depth, Kind.WORDS)


def _put_write_guards(found: dict[str, Number], flow: Flow, fabric: Fabric, levels: int) -> None:
    plan = fabric.output
    pattern, varies = plan.pattern, _varying_steps(flow, plan)
    tensor, loops = plan.tensor.name, len(fabric.kernel.time)
    for k, d in enumerate(write_guarded(fabric)):
        steps = [
            (
                _level(plan, level, loops, levels),
                Number(pattern.steps[d][level], Kind.GUARD_STEP, varies[d][level], tensor, k),
            )
            for level in range(len(pattern.extents))
        ]
        origin = Number(pattern.origin[d], Kind.GUARD, tensor=tensor, index=k)
        guards = _of_dimension(plan.guards, d)
        _put_guard(found, f"write{k}", guards, origin, plan.tensor.shape[d], steps)


def _varying_steps(flow: Flow, plan: InputPlan | OutputPlan) -> list[list[bool]]:
    """Whether the step of a tensor's dimension with a loop of its pattern changes with bounds.

    The step of the loop over a chain is one in space, which does not.
    """
    change = flow.varying.time
    chained = plan.chain is not None
    moved = len(plan.pattern.extents) - chained
    return [
        [
            level < moved and any(c and change[i][level] for i, c in enumerate(row))
            for level in range(len(plan.pattern.extents))
        ]
        for row in plan.tensor.matrix
    ]
