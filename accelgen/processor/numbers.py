"""The numbers that a problem is described to the hardware by: extents, steps, origins, depths.

Levels count time loops from the outermost of the deepest dataflow: one with fewer loops has loops
of one iteration around them.  The loop over a shift chain has the level behind all others.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.fabric.fabric import Fabric, InputPlan, OutputPlan
from accelgen.processor.flow import Flow

__all__ = ["Number", "fold", "guarded", "numbers_of", "write_guarded"]


@dataclass(frozen=True)
class Number:
    """A value, and whether it is another at other bounds (of the same dataflow)."""

    value: int
    varies: bool = True


def numbers_of(flow: Flow, fabric: Fabric, levels: int) -> dict[str, Number]:
    """All numbers of a problem of a dataflow, by name.

    ``last<l>``: the extent of loop ``l`` less one.  ``gap<l>``: cycles idle after it steps;
    ``<x>_gap<l>`` the same of the loading of an input.  Of every tensor ``x``: ``<x>_at`` and
    ``<x>_step<l>``, its first address and the steps of it; ``<x>_at_<j>`` and ``<x>_turn<l>_<j>``
    the same of the residue in dimension ``j``; ``<x>_row``, ``<x>_last_<j>``, ``<x>_stride_<j>``:
    its shape; ``<x>_words``: the words it takes in a memory.  ``guard<k>_below``,
    ``guard<k>_above``, ``guard<k>_step<l>``: the k-th guarded loop at first, and at first less its
    bound; ``write<k>_...`` the same of the output's dimensions.  ``<x>_depth<n>`` and
    ``<x>_holds<n>``: cycles beyond one in link ``n``, and whether the link holds at all.
    """
    found: dict[str, Number] = {}
    pad = levels - len(fabric.kernel.time)
    given = flow.description.dataflow.given_extents
    for level in range(levels):
        name = fabric.kernel.time[level - pad] if level >= pad else None
        extent = 1 if name is None else fabric.kernel.time_extents[level - pad]
        found[f"last{level}"] = Number(extent - 1, name is not None and name not in given)
    domain = fabric.domain
    for level, gap in enumerate(domain.gaps):
        found[f"gap{level + pad}"] = Number(gap, _paced(flow, level))
    for k, d in enumerate(guarded(fabric)):
        change = flow.varying.time[d]
        steps = [
            (level + pad, Number(domain.steps[d][level], change[level]))
            for level in range(len(change))
        ]
        _put_guard(found, f"guard{k}", steps, domain.origin[d], fabric.kernel.bounds[d])
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


def _put_guard(
    found: dict[str, Number],
    name: str,
    steps: list[tuple[int, Number]],
    origin: int,
    bound: int,
) -> None:
    found[f"{name}_below"] = Number(origin)
    found[f"{name}_above"] = Number(origin - bound)
    for level, step in steps:
        if step.value or step.varies:
            found[f"{name}_step{level}"] = step


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
    x, banked = plan.tensor.name.lower(), plan.banked
    layout, form = banked.layout, flow.run_time.forms[plan.tensor.name]
    loops = len(fabric.kernel.time)
    varies = _varying_steps(flow, plan)
    address = 0
    for j, (modulus, stride) in enumerate(zip(layout.moduli, layout.strides, strict=True)):
        address += banked.origin[j] // modulus * stride
        if banked.rotating[j]:
            found[f"{x}_at_{j}"] = Number(banked.origin[j] % modulus)
    found[f"{x}_at"] = Number(address)
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
                found[f"{x}_turn{place}_{j}"] = Number(by % modulus, changes)
        if moves:
            found[f"{x}_step{place}"] = Number(step)
    if isinstance(plan, InputPlan):
        for level, gap in enumerate(banked.gaps):
            last = plan.chain is not None and level == len(banked.gaps) - 1
            paced = not last and (plan.hold is not None or _paced(flow, level))
            found[f"{x}_gap{_level(plan, level, loops, levels)}"] = Number(gap, paced)
        for n, link in enumerate(plan.interconnect.links):
            if link.predicated:
                found[f"{x}_depth{n}"] = Number(max(0, link.depth - 1))
                found[f"{x}_holds{n}"] = Number(int(link.depth > 0))
    found[f"{x}_row"] = Number(layout.shape[-1])
    for j in range(len(layout.shape) - 1):
        found[f"{x}_last_{j}"] = Number(layout.shape[j] - 1)
        found[f"{x}_stride_{j}"] = Number(layout.strides[j])
    found[f"{x}_words"] = Number(layout.depth)


def _put_write_guards(found: dict[str, Number], flow: Flow, fabric: Fabric, levels: int) -> None:
    plan = fabric.output
    pattern, varies = plan.pattern, _varying_steps(flow, plan)
    loops = len(fabric.kernel.time)
    for k, d in enumerate(write_guarded(fabric)):
        steps = [
            (
                _level(plan, level, loops, levels),
                Number(pattern.steps[d][level], varies[d][level]),
            )
            for level in range(len(pattern.extents))
        ]
        _put_guard(found, f"write{k}", steps, pattern.origin[d], plan.tensor.shape[d])


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
