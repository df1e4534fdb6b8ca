"""``report.md``: what a design is made of, why it takes the cycles it takes, what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from accelgen.affine.spacetime import IntVector
from accelgen.cycles import START_CYCLES, CycleModel
from accelgen.fabric.chain import Chain
from accelgen.fabric.fabric import Fabric, InputPlan, OutputPlan
from accelgen.passes.delay_matching import Pipeline
from accelgen.passes.order import Record
from accelgen.passes.table import pass_rows
from accelgen.reuse.links import Link
from accelgen.rtl.array import UNIT_KINDS
from accelgen.rtl.streams.geometry import bank_depth, live_memories
from accelgen.rtl.streams.input_buffer import bank_widths
from accelgen.rtl.unit import names_of, unit_shapes

if TYPE_CHECKING:
    from accelgen.pipeline import Design

__all__ = ["count_memories", "count_units", "cycle_rows", "link_kind", "passes_section",
           "section", "table", "waiting", "write_report"]  # fmt: skip


def count_units(pipeline: Pipeline) -> dict[str, int]:
    """Instances of each distinct unit of the array, by module name without the prefix."""
    shapes = unit_shapes(pipeline, UNIT_KINDS)
    names = names_of(shapes)
    return dict(Counter(names[shape] for shape in shapes.values()))


def count_memories(fabric: Fabric) -> dict[str, list[dict[str, int]]]:
    """Per tensor the kinds of banks: how many ``banks``, of each the ``pages``, and the ``words``
    of ``bits`` in one.
    """
    widths = {
        plan.tensor.name: bank_widths(plan.banked.layout, plan.banked.slots, plan.banked.rotating)
        for plan in fabric.inputs
    }
    output = fabric.output
    widths[output.tensor.name] = {1: len(live_memories(output.banked.layout))}
    plans: tuple[InputPlan | OutputPlan, ...] = (*fabric.inputs, output)
    return {
        plan.tensor.name: [
            {
                "banks": banks,
                "words": bank_depth(plan.banked.layout),
                "bits": elements * plan.tensor.format.bits,
                "pages": 2,
            }
            for elements, banks in widths[plan.tensor.name].items()
        ]
        for plan in plans
    }


def link_kind(depth: int) -> str:
    """``wire``, ``systolic`` or ``FIFO``."""
    return ("wire", "systolic")[depth] if depth < 2 else "FIFO"


def waiting(cycles: CycleModel) -> str:
    """What is waited for, and what to do about it; for models with a ``chain_wait``."""
    chains = f"chain{'s' * (len(cycles.waiting) > 1)} of {' and '.join(cycles.waiting)}"
    pinned = ",".join(f"{name}=none" for name in cycles.waiting)
    return (
        f"{cycles.chain_wait} cycles wait for the shift {chains}; --chain {pinned} gives every "
        "unit a memory port instead, and loops inside that run longer hide the chain"
    )


def cycle_rows(cycles: CycleModel) -> list[tuple[str, int, str]]:
    """What ``compute_cycles`` and ``total_cycles`` are sums of: name, cycles, meaning."""
    return [
        ("issue", cycles.issue, "first to last issue of an iteration"),
        ("skew and drain", cycles.skew_and_drain, "last issue to last sum leaving the array"),
        ("pipeline", cycles.pipeline, "pipeline registers, and writing the element"),
        ("compute_cycles", cycles.compute_cycles, "issue + skew and drain + pipeline"),
        ("load", cycles.load, "first beat to the first cycle with all inputs complete"),
        ("prologue", cycles.prologue, "loading the first tile of stationary tensors"),
        ("unload", cycles.unload, "last write to last beat"),
        (
            "total_cycles",
            cycles.total_cycles,
            f"load + {START_CYCLES} (start) - 2 (cycles counted twice) + prologue"
            " + compute_cycles + unload",
        ),
    ]


def write_report(design: Design) -> str:
    """The report of a design as Markdown: the same bytes for the same design, without paths."""
    sections = [
        _header(design),
        _array(design),
        *(_input(plan, design.fabric) for plan in design.fabric.inputs),
        _output(design.fabric.output, design.fabric),
        _cycles(design),
        _pipeline(design),
        passes_section(design.passes, design.without),
        _units(design),
    ]
    return "\n".join(sections)


def _header(design: Design) -> str:
    return f"# {design.description.name}\n\n```yaml\n{design.description}```\n"


def _array(design: Design) -> str:
    kernel, workload = design.kernel, design.description.workload
    axes = zip(kernel.space, kernel.space_extents, kernel.skew, strict=True)
    loops = [f"{name} = {n}" for name, n in zip(kernel.time, kernel.time_extents, strict=True)]
    shape = ", ".join(f"{axis} = {n} (skew {c})" for axis, n, c in axes)
    return section(
        "Array",
        [
            f"{kernel.units} functional units: {shape}",
            f"time loops, outermost first: {', '.join(loops)}",
            f"{workload.iterations} iterations; {design.cycles.utilisation:.1%} of all units and "
            "compute cycles execute one",
            f"streams of {design.fabric.bus_bits} bits",
        ],
    )


def _input(plan: InputPlan, fabric: Fabric) -> str:
    links = plan.interconnect
    heads = [u for u, head in enumerate(links.head) if head == u]
    lines = [_stay(plan.hold, fabric)]
    if plan.chain is not None:
        lines.append(_chain("loaded", plan.chain, fabric))
    used = Counter(links.link[u] for u in heads if links.link[u] >= 0)
    lines += [
        f"{_count(count, 'unit takes', 'units take')} it through a link: "
        f"{_link(links.links[number], fabric)}"
        for number, count in sorted(used.items())
    ]
    if len(heads) < len(links.head):
        shared = len(links.head) - len(heads)
        lines.append(f"{_count(shared, 'unit shares', 'units share')} the wire of another")
    ports = len(plan.chain.runs) if plan.chain is not None else len(links.ported)
    lines.append(f"{_count(ports, 'unit')} fed from memory")
    return _tensor(plan, [*lines, *_memory(plan, fabric)], "input")


def _output(plan: OutputPlan, fabric: Fabric) -> str:
    reduction = plan.reduction
    lines = [_stay(plan.hold, fabric)]
    hops = Counter(
        fabric.offsets[unit] - fabric.offsets[giver]
        for unit, givers in enumerate(reduction.partials)
        for giver in givers
    )
    lines += [
        f"{_count(count, 'unit passes its', 'units pass their')} sum on through a "
        f"{link_kind(depth)} link of depth {depth}"
        for depth, count in sorted(hops.items())
    ]
    trees = Counter(len(group.ends) for group in reduction.groups if len(group.ends) > 1)
    lines += [
        f"{_count(count, 'adder tree')} of {size} inputs" for size, count in sorted(trees.items())
    ]
    if plan.chain is not None:
        lines.append(_chain("drained", plan.chain, fabric))
    writes = "adds to" if plan.accumulate else "replaces"
    lines.append(f"a write {writes} what the memory holds")
    return _tensor(plan, [*lines, *_memory(plan, fabric)], "output")


def _tensor(plan: InputPlan | OutputPlan, lines: Sequence[str], role: str) -> str:
    tensor = plan.tensor
    shape = " x ".join(map(str, tensor.shape)) or "scalar"
    return section(f"Tensor {tensor.name}: {role}, {shape}, {tensor.type_name}", lines)


def _stay(hold: int | None, fabric: Fabric) -> str:
    if hold is None:
        return "changes in every iteration"
    inner = ", ".join(fabric.kernel.time[hold:])
    return f"stationary: stays in its unit while {inner} run{'s' * (',' not in inner)}"


def _chain(verb: str, chain: Chain, fabric: Fabric) -> str:
    step = "+" if chain.direction > 0 else "-"
    return (
        f"{verb} through {_count(len(chain.runs), 'shift chain')} along {step}"
        f"{fabric.kernel.space[chain.axis]}, {chain.length} long"
    )


def _link(link: Link, fabric: Fabric) -> str:
    kernel = fabric.kernel
    giver = f"the unit at {_steps(kernel.space, link.ds)}" if any(link.ds) else "the unit itself"
    text = f"{link_kind(link.depth)}, depth {link.depth}, from {giver}"
    if link.predicated:
        text += (
            f", which used it at {_steps(kernel.time, link.dt)} "
            "(from memory where that is outside the loops)"
        )
    return text


def _steps(names: Sequence[str], vector: IntVector) -> str:
    """Where what is ``vector`` behind comes from: ``i-1, j+2``."""
    moves = zip(names, vector, strict=True)
    return ", ".join(f"{name}{-step:+d}" for name, step in moves if step)


def _memory(plan: InputPlan | OutputPlan, fabric: Fabric) -> list[str]:
    banks = " and ".join(
        f"{_count(memory['banks'], 'bank')} of {memory['pages']} pages x {memory['words']} words "
        f"x {memory['bits']} bits"
        for memory in count_memories(fabric)[plan.tensor.name]
    )
    rotating = any(plan.banked.rotating)
    return [
        f"{_count(len(plan.banked.slots), 'memory port')}, {banks}, "
        f"banked by {_moduli(plan.banked.layout.moduli)}",
        "ports rotate over the banks"
        if rotating
        else "every port has a bank of its own in all cycles",
    ]


def _moduli(moduli: IntVector) -> str:
    return "index modulo " + " x ".join(map(str, moduli))


def _cycles(design: Design) -> str:
    schedule = design.fabric.schedule
    kernel = design.fabric.kernel
    terms = [
        f"({n} - 1) * {stride}"
        for n, stride in zip(schedule.extents, schedule.strides, strict=True)
    ]
    lines = [
        f"issue = {' + '.join(['1', *terms])} = {design.cycles.issue}"
        + (f" (loops {', '.join(kernel.time)})" if terms else ""),
        waiting(design.cycles) if design.cycles.chain_wait else "no cycle waits for a shift chain",
    ]
    rows = [("part", "cycles", "meaning"), *cycle_rows(design.cycles)]
    return section("Cycles of one problem", lines) + "\n" + table(rows)


def _pipeline(design: Design) -> str:
    pipeline = design.pipeline
    early = pipeline.greedy_bits
    return section(
        "Pipeline",
        [
            f"clock period {pipeline.period:g} ns, longest path {design.critical:.3f} ns "
            f"(estimated, technology {design.technology.name})",
            f"latency {pipeline.latency} cycles",
            *_rounding(design),
            f"{pipeline.bits} register bits placed by the linear program, "
            f"{early} when everything is as early as possible",
        ],
    )


def passes_section(passes: Sequence[Record], without: Sequence[str]) -> str:
    """What every pass changed, and those that did not run."""
    rows = pass_rows([record.to_json() for record in passes], "passes")
    left_out = f"\nWithout {', '.join(without)}.\n" if without else ""
    return "## Passes over the netlist\n\n" + table(rows) + left_out


def _rounding(design: Design) -> list[str]:
    product = design.kernel.blocks
    if product is None or design.rounding is None:
        return []
    ranges = {"first": product.pair.a.scale_range, "second": product.pair.b.scale_range}
    return [
        f"results are rounded to {product.result} in {design.rounding.latency} more cycles, "
        f"{design.rounding.bits} register bits a lane",
        f"results count units of the tensors' scales times {product.pair.factor}",
        *(
            f"scales of the {which} input count from 2**{found[0]} to 2**{found[1]}"
            for which, found in ranges.items()
            if found
        ),
    ]


def _units(design: Design) -> str:
    rows = [
        (f"{design.description.name}_{name}", count)
        for name, count in count_units(design.pipeline).items()
    ]
    return "## Units of the array\n\n" + table([("module", "instances"), *rows])


def _count(count: int, thing: str, things: str | None = None) -> str:
    return f"{count} {thing if count == 1 else things or thing + 's'}"


def section(title: str, lines: Iterable[str]) -> str:
    """A heading with a list below it, as Markdown."""
    return "\n".join([f"## {title}", "", *(f"- {line}" for line in lines), ""])


def table(rows: Sequence[Sequence[object]]) -> str:
    """A table whose first row is its head, as Markdown."""
    head, *body = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    rule = "|" + " --- |" * len(rows[0])
    return "\n".join([head, rule, *body, ""])
