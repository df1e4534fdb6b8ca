"""Products, and their sums in space and in time."""

from __future__ import annotations

from collections.abc import Sequence

from accelgen.affine.blocks import BlockProduct
from accelgen.fabric.fabric import Fabric, Guard
from accelgen.fabric.reduction import Reduction
from accelgen.netlist.compose import add_composed
from accelgen.netlist.controls import Flags
from accelgen.netlist.dot import add_block_dot
from accelgen.netlist.graph import Builder, Edge, Home
from accelgen.netlist.widths import product_format, repeated_format, sum_format

__all__ = ["add_products", "sum_in_space", "sum_in_time"]


def add_products(
    builder: Builder, flags: Flags, fabric: Fabric, operands: Sequence[Sequence[int]]
) -> list[int]:
    """The product of every unit, zero where its point lies outside the iteration domain."""
    numbered: dict[Guard, int] = {}
    products = []
    for unit in range(fabric.kernel.units):
        home: Home = ("pe", unit)
        value = operands[0][unit]
        guards = [
            Edge(
                flags(f"guard{numbered.setdefault(guard, len(numbered))}", "guard", guard),
                fabric.offsets[unit],
                f"valid{position}",
            )
            for position, guard in enumerate(fabric.guards[unit])
        ]
        if guards:
            format = builder[value].format
            value = builder.add("gate", "gated", home, format, [Edge(value, 0, "in"), *guards])
        if fabric.kernel.product is not None:
            words = [value, *(operand[unit] for operand in operands[1:])]
            products.append(_add_product(builder, flags, fabric, unit, words))
            continue
        for position, operand in enumerate(operands[1:]):
            left, right = builder[value].format, builder[operand[unit]].format
            value = builder.add(
                "multiply",
                f"product{position}" if len(operands) > 2 else "product",
                home,
                product_format(left, right, fabric.output.tensor.format),
                [Edge(value, 0, "in0"), Edge(operand[unit], 0, "in1")],
            )
        products.append(value)
    return products


def _add_product(
    builder: Builder, flags: Flags, fabric: Fabric, unit: int, words: Sequence[int]
) -> int:
    """What a unit makes of its operands when that is not the product of integers."""
    home: Home = ("pe", unit)
    product = fabric.kernel.product
    if isinstance(product, BlockProduct):
        # Each operand is followed by its scales.
        a, a_scale, b, b_scale = (Edge(word, 0, "") for word in words)
        return add_block_dot(builder, home, product.pair, a, b, a_scale, b_scale)
    assert product is not None
    a, b = (Edge(word, 0, "") for word in words)
    modes = [Edge(flags.mode(plan.tensor.name), fabric.offsets[unit], "") for plan in fabric.inputs]
    return add_composed(builder, home, product, a, b, *modes)


def sum_in_space(
    builder: Builder, flags: Flags, fabric: Fabric, products: Sequence[int], *, passed: bool = False
) -> list[Edge]:
    """The sum of every group, as an edge on the group's own time.

    With ``passed`` the units have accumulators, for another dataflow: sums that go from unit to
    unit are added up in these, whose register is the first of the link.
    """
    reduction = fabric.output.reduction
    offsets = fabric.offsets
    limit = fabric.output.tensor.format
    widen = fabric.programmable
    # One width for all running sums keeps the units alike.
    terms, product = _largest_chain(reduction), builder[products[0]].format
    totals = list(products)
    for unit in sorted(range(len(products)), key=lambda u: offsets[u]):
        partials = reduction.partials[unit]
        if passed:
            form = limit
            name = "goes_on" if partials else "begins"
            first = flags(name, "constant", not partials)
            inputs = [Edge(totals[unit], 0, "total_in"), Edge(first, offsets[unit], "first")]
            if partials:
                behind = offsets[unit] - offsets[partials[0]]
                inputs.append(Edge(totals[partials[0]], behind, "passed_on"))
            totals[unit] = builder.add(
                "accumulate",
                "sum",
                ("pe", unit),
                form,
                inputs,
                group="sum",
                latency=1,
                parameters=("passed",) if partials else (),
            )
            partials = partials[1:]
        for position, source in enumerate(partials, start=int(passed)):
            totals[unit] = builder.add(
                "add",
                f"partial{position}",
                ("pe", unit),
                limit if widen else repeated_format(product, terms, limit),
                [
                    Edge(totals[unit], 0, "in0"),
                    Edge(
                        totals[source], offsets[unit] - offsets[source], f"from_partial{position}"
                    ),
                ],
            )
    sums = []
    for number, group in enumerate(reduction.groups):
        level = [
            Edge(totals[u], group.offset - offsets[u], f"in{k}") for k, u in enumerate(group.ends)
        ]
        if len(level) == 1:
            sums.append(level[0])
            continue
        size, depth = len(level), 0
        while len(level) > 1:
            summed = []
            for position in range(0, len(level) - 1, 2):
                pair = level[position : position + 2]
                node = builder.add(
                    "add",
                    f"level{depth}_{position // 2}",
                    ("sum", number),
                    limit
                    if widen
                    else sum_format((builder[edge.source].format for edge in pair), limit),
                    pair,
                    group=f"sum{size}.level{depth}",
                )
                summed.append(Edge(node, 0, ""))
            # An odd one out joins the next level.
            level = summed + level[len(level) - len(level) % 2 :]
            depth += 1
        sums.append(level[0])
    return sums


def sum_in_time(
    builder: Builder, flags: Flags, fabric: Fabric, totals: Sequence[Edge]
) -> list[Edge]:
    """The sum of every group over the innermost reduction loops."""
    plan = fabric.output
    if plan.hold is None:
        return list(totals)
    schedule = fabric.schedule
    terms = 1
    for extent in schedule.extents[plan.hold :]:
        terms *= extent
    tight = schedule.flat([0] * plan.hold + [n - 1 for n in schedule.extents[plan.hold :]])
    first = flags(f"first_of_{plan.hold}", "first", plan.hold)
    sums = []
    for group, total in zip(plan.reduction.groups, totals, strict=True):
        home: Home = ("pe", group.ends[0]) if len(group.ends) == 1 else builder[total.source].home
        inputs = [
            Edge(total.source, total.delay, "total_in"),
            Edge(first, group.offset, "first"),
        ]
        if tight != terms - 1:
            # The stretched schedule has idle cycles inside a tile.
            inputs.append(Edge(flags("issued", "issue"), group.offset, "issue"))
        format = repeated_format(builder[total.source].format, terms, plan.tensor.format)
        if fabric.programmable:
            # Other dataflows add up other numbers of terms in the same place.
            format = plan.tensor.format
        node = builder.add("accumulate", "sum", home, format, inputs, group="sum", latency=1)
        sums.append(Edge(node, 0, "sum"))
    return sums


def _largest_chain(reduction: Reduction) -> int:
    """The number of units in the largest chained sum."""
    largest = 0
    for group in reduction.groups:
        for end in group.ends:
            stack, units = [end], 0
            while stack:
                units += 1
                stack.extend(reduction.partials[stack.pop()])
            largest = max(largest, units)
    return largest
