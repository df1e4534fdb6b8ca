"""The dataflows of a design whose bounds are registers, laid out for the memories they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from accelgen.affine import Description
from accelgen.affine.blocks import scale_name
from accelgen.affine.spacetime import SpaceTime, TensorAccess
from accelgen.affine.varying import Varying, varying
from accelgen.errors import InputError
from accelgen.fabric.build import RunTime, lay_out, least_bus, sums_bus, written_once
from accelgen.fabric.fabric import Fabric
from accelgen.fabric.forms import Use, common_forms
from accelgen.fabric.structure import Structure
from accelgen.fabric.together import Linked, decide_together
from accelgen.formats import IntFormat
from accelgen.names import FrozenMap, unknown, within

__all__ = ["MAX_WORDS", "MIN_WORDS", "Flow", "make_flows", "retarget"]

MIN_WORDS = 2
"""Fewest words of a memory: one word would have no address."""

MAX_WORDS = 2**24
"""Most words of a memory that can be asked for: more is a slip of the pen, and takes hours."""


@dataclass(frozen=True)
class Flow:
    """One dataflow: ``description`` at its largest bounds, and what holds for it at any.

    ``tensors`` names its tensors as the design does, by its own names; ``links`` are those that it
    shares with the other dataflows of the design.
    """

    description: Description
    tensors: Mapping[str, str]
    varying: Varying
    structure: Structure
    run_time: RunTime
    fabric: Fabric
    links: tuple[Linked, ...] = ()


def make_flows(
    descriptions: Sequence[Description],
    bus_bits: int | None = None,
    words: Mapping[str, int] | None = None,
) -> tuple[Flow, ...]:
    """Lay out dataflows that share one array and its memories.

    ``words`` gives, per tensor of the design, how many words a memory has (without it as many as
    the largest bounds need).  Raises :class:`InputError` when they cannot share.
    """
    _check_names(descriptions)
    named = [_named(description, descriptions) for description in descriptions]
    widest = max(kernel.output.format.bits for kernel, _ in named)
    named = [(_summing(kernel, widest), tensors) for kernel, tensors in named]
    kernels = [kernel for kernel, _ in named]
    _check_alike(descriptions, kernels)
    _check_words(words or {}, descriptions, [tensors for _, tensors in named])
    bus = bus_bits or max(map(least_bus, kernels))
    changes = [varying(description) for description in descriptions]
    # Loops of one iteration at the largest bounds are loops all the same.
    looped = [
        replace(kernel, time_extents=tuple(max(2, n) for n in kernel.time_extents))
        for kernel in kernels
    ]
    together = decide_together(looped)
    structures = together.structures
    accumulate = any(
        not written_once(kernel, kernel.output, _inner(kernel, structure))
        for kernel, structure in zip(looped, structures, strict=True)
    )
    # The first layout says how the memories are used; the second is in those that serve all.
    alone = [lay_out(kernel, s, bus) for kernel, s in zip(kernels, structures, strict=True)]
    forms = []
    for number, tensor in enumerate(kernels[0].tensors):
        uses = [_use(fabric, number, change) for fabric, change in zip(alone, changes, strict=True)]
        beat = sums_bus(kernels[0], bus) if tensor.is_output else bus
        forms.append(common_forms(uses, tensor.format.bits, beat, (words or {}).get(tensor.name)))
    flows = []
    for d, (kernel, tensors) in enumerate(named):
        own = {t.name: forms[n][d] for n, t in enumerate(kernel.tensors)}
        run_time = RunTime(FrozenMap(own), changes[d].leaves, accumulate)
        fabric = lay_out(kernel, structures[d], bus, run_time)
        flows.append(
            Flow(descriptions[d], tensors, changes[d], structures[d], run_time, fabric,
                 together.links)
        )  # fmt: skip
    return tuple(flows)


def retarget(flow: Flow, bounds: Mapping[str, int]) -> Fabric:
    """The fabric of one problem: the same structure at other bounds.

    Raises :class:`InputError` when the dataflow is not legal there, or the design does not reach
    that far.
    """
    largest = flow.description.workload
    types = dict(largest.types)
    output = flow.fabric.kernel.output
    if flow.fabric.kernel.blocks is None:
        types[list(flow.tensors)[-1]] = output.type_name
    description = flow.description.with_overrides(bounds=bounds, types=types)
    with within(description.name):
        for loop, bound in description.workload.bounds.items():
            if bound > largest.bounds[loop]:
                raise InputError(
                    f"{loop} = {bound}, the design reaches {largest.bounds[loop]}",
                    where="bounds",
                    hint=f"generate it for a larger {loop}, or split the problem",
                )
    kernel = _summing(_renamed(description.lower(), flow.tensors), output.format.bits)
    fabric = lay_out(kernel, flow.structure, flow.fabric.bus_bits, flow.run_time)
    _check_like(fabric, flow)
    return fabric


def _check_like(fabric: Fabric, flow: Flow) -> None:
    """That the hardware made for the largest bounds serves this problem."""
    name = flow.description.name
    for plan in fabric.plans:
        layout = plan.banked.layout
        assert layout.words is not None
        if layout.depth > layout.words:
            raise InputError(
                f"{plan.tensor.name} takes {layout.depth} words in each memory, there are "
                f"{layout.words}",
                where=name,
                hint="split the problem",
            )
    if not flow.run_time.accumulate:
        # Memories that do not add keep what an earlier problem left where nothing is written.
        kernel = fabric.kernel
        if not written_once(kernel, kernel.output, _inner(kernel, flow.structure)):
            raise InputError(
                f"not every element of {kernel.output.name} is written just once at these bounds",
                where=name,
                hint="use the largest bounds, or an expression without a constant in its output",
            )
    sides = [
        [(g.dimension, g.low is None, g.high is None) for unit in f.guards for g in unit]
        for f in (fabric, flow.fabric)
    ]
    slots = [plan.banked.slots for f in (fabric, flow.fabric) for plan in f.plans]
    if sides[0] != sides[1] or slots[: len(slots) // 2] != slots[len(slots) // 2 :]:
        raise InputError(
            "the map leaves its bounds on a side on which it does not at the largest bounds",
            where=name,
            hint="use a map whose constants do not depend on the bounds",
        )


def _summing(kernel: SpaceTime, bits: int) -> SpaceTime:
    """The kernel with sums of ``bits`` bits, where these are not what its output is of."""
    product, sums = kernel.blocks, IntFormat(bits)
    if product is None:
        return kernel
    output = replace(kernel.output, format=sums, of=product.of(sums))
    return replace(kernel, tensors=(*kernel.inputs, output))


def _inner(kernel: SpaceTime, structure: Structure) -> int:
    hold = structure.hold[kernel.output.name]
    return len(kernel.time) if hold is None else hold


def _named(
    description: Description, all_of_them: Sequence[Description]
) -> tuple[SpaceTime, Mapping[str, str]]:
    """The kernel with the names that its tensors have in the design, and these by its own."""
    kernel = description.lower()
    own = [t.name for t in kernel.tensors]
    others = [[t.name for t in d.workload.accesses] for d in all_of_them]
    if all(names == own for names in others):
        names = own
    else:
        inputs = [f"in{k}" for k in range(len(own) - 1)]
        if kernel.blocks is not None:
            # Every operand is followed by its scales.
            inputs = [x for k in range(2) for x in (f"in{k}", scale_name(f"in{k}"))]
        names = [*inputs, "out"]
    tensors = FrozenMap(dict(zip(own, names, strict=True)))
    return _renamed(kernel, tensors), tensors


def _renamed(kernel: SpaceTime, names: Mapping[str, str]) -> SpaceTime:
    return replace(
        kernel,
        tensors=tuple(replace(t, name=names[t.name]) for t in kernel.tensors),
        chains=tuple((names[name], axis) for name, axis in kernel.chains),
    )


def _check_names(descriptions: Sequence[Description]) -> None:
    """That there are dataflows, and a name says which is meant: drivers and benches go by it."""
    if not descriptions:
        raise InputError("a design has one dataflow at least", hint="give a description")
    names = [description.name for description in descriptions]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise InputError(
                f"dataflows {names.index(name)} and {number} have the same name",
                where=name,
                hint="leave one out, or give it a name of its own with the key name",
            )


def _check_words(
    words: Mapping[str, int],
    descriptions: Sequence[Description],
    named: Sequence[Mapping[str, str]],
) -> None:
    """That words are given to memories which there are, and are as many as one can have."""
    known = list(named[0].values())
    for tensor, count in words.items():
        if tensor not in known:
            # Of dataflows that name their operands differently, the design has names of its own.
            other = [
                f"{tensor} of {description.name} is {tensors[tensor]} here"
                for description, tensors in zip(descriptions, named, strict=True)
                if tensor in tensors
            ]
            error = unknown(tensor, "tensor", known)
            raise InputError(
                error.message, where="words", hint=", ".join(other) if other else error.hint
            )
        if not MIN_WORDS <= count <= MAX_WORDS:
            raise InputError(
                f"{tensor} = {count} is outside {MIN_WORDS}..{MAX_WORDS}",
                where="words",
                hint="leave it out for as many as the largest bounds need",
            )


def _check_alike(descriptions: Sequence[Description], kernels: Sequence[SpaceTime]) -> None:
    """That all fit one array of units and one set of streams."""
    first = kernels[0]
    for description, kernel in zip(descriptions, kernels, strict=True):
        where = description.name
        if kernel.space_extents != first.space_extents:
            raise InputError(
                f"an array of {_times(kernel.space_extents)} units is none of "
                f"{_times(first.space_extents)}",
                where=where,
                hint="give all dataflows the same extents in space",
            )
        if _types(kernel) != _types(first):
            raise InputError(
                f"its types are {', '.join(t.type_name for t in kernel.tensors)}, those of "
                f"{descriptions[0].name} {', '.join(t.type_name for t in first.tensors)}",
                where=where,
                hint="give all dataflows the same types, of the output too",
            )


def _types(kernel: SpaceTime) -> list[tuple[int, bool, str]]:
    """What hardware is made for, tensor by tensor."""
    return [(t.format.bits, t.format.signed, t.of) for t in kernel.tensors]


def _times(extents: Sequence[int]) -> str:
    return " x ".join(map(str, extents))


def _use(fabric: Fabric, number: int, change: Varying) -> Use:
    """How a dataflow uses the memories of its tensor of a number."""
    plan = fabric.plans[number]
    tensor: TensorAccess = plan.tensor
    loops = len(plan.pattern.extents)
    varies = tuple(
        tuple(
            any(c and change.time[i][loop] for i, c in enumerate(row) if loop < len(change.time[i]))
            for loop in range(loops)
        )
        for row in tensor.matrix
    )
    shifts = tuple(any(c and change.offset[i] for i, c in enumerate(row)) for row in tensor.matrix)
    # The loop over a chain, the last, moves by what a step in space does.
    if plan.chain is not None:
        varies = tuple((*row[:-1], False) for row in varies)
    return Use(plan.pattern, tensor.shape, varies, shifts)
