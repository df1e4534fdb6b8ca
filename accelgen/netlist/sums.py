"""Products, and their sums in space and in time."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from accelgen.affine.blocks import BlockProduct
from accelgen.affine.multi import MultiProduct
from accelgen.fabric.fabric import Fabric, Guard
from accelgen.fabric.space import Grid
from accelgen.netlist.compose import add_composed
from accelgen.netlist.controls import Flags
from accelgen.netlist.dot import add_block_dot
from accelgen.netlist.graph import Builder, Edge, Home
from accelgen.netlist.multi_format import add_multi_dot, plan_of

__all__ = ["add_products", "sum_in_space", "sum_in_time"]


def add_products(
    builder: Builder, flags: Flags, fabric: Fabric, operands: Sequence[Sequence[int]]
) -> list[int]:
    """The product of every unit, zero where its point lies outside the iteration domain."""
    numbered: dict[Guard, int] = {}
    # Which sides can be left at some bounds is known of what the bounds are not.
    guards = fabric.guards if fabric.programmable else _guards(fabric)
    limit = fabric.output.tensor.format
    products = []
    for unit in range(fabric.kernel.units):
        home: Home = ("pe", unit)
        value = operands[0][unit]
        conditions = [
            Edge(
                flags(f"guard{numbered.setdefault(guard, len(numbered))}", "guard", guard),
                fabric.offsets[unit],
                port,
            )
            for port, guard in zip(_guard_ports(fabric, guards[unit]), guards[unit], strict=True)
        ]
        format = builder[value].format
        value = builder.add("gate", "gated", home, format, [Edge(value, 0, "in"), *conditions])
        if fabric.kernel.product is not None:
            words = [value, *(operand[unit] for operand in operands[1:])]
            products.append(_add_product(builder, flags, fabric, unit, words))
            continue
        for position, operand in enumerate(operands[1:]):
            value = builder.add(
                "multiply",
                f"product{position}" if len(operands) > 2 else "product",
                home,
                limit,
                [Edge(value, 0, "in0"), Edge(operand[unit], 0, "in1")],
            )
        products.append(value)
    return products


def _guard_ports(fabric: Fabric, guards: Sequence[Guard]) -> list[str]:
    """A name for each condition by the axes along which it changes: those of several dataflows that
    change along the same ones then meet at one port, and units along the others share them.
    """
    ports: list[str] = []
    for guard in guards:
        along = [k for k, step in enumerate(fabric.kernel.space_matrix[guard.dimension]) if step]
        name = "valid" + "_".join(map(str, along))
        twins = sum(port.rpartition("x")[0] == name or port == name for port in ports)
        ports.append(f"{name}x{twins}" if twins else name)
    return ports


def _guards(fabric: Fabric) -> Sequence[Sequence[Guard]]:
    """Per unit, that its point is inside the iteration domain: both sides of every dimension."""
    kernel = fabric.kernel
    matrix = np.array(kernel.space_matrix, dtype=np.int64).reshape(len(kernel.loops), -1)
    places = Grid(kernel.space_extents).points @ matrix.T
    return [
        [Guard(d, -w, n - 1 - w) for d, (w, n) in enumerate(zip(place, kernel.bounds, strict=True))]
        for place in places.tolist()
    ]


def _add_product(
    builder: Builder, flags: Flags, fabric: Fabric, unit: int, words: Sequence[int]
) -> int:
    """What a unit makes of its operands when that is not the product of integers."""
    home: Home = ("pe", unit)
    product = fabric.kernel.product
    if isinstance(product, MultiProduct):
        a, a_scale, b, b_scale = (Edge(word, 0, "") for word in words)
        form, plan = Edge(flags.mode(""), 0, "format"), plan_of(product)
        return add_multi_dot(builder, home, plan, (a, b), (a_scale, b_scale), form)
    if isinstance(product, BlockProduct):
        # Each operand is followed by its scales.
        a, a_scale, b, b_scale = (Edge(word, 0, "") for word in words)
        return add_block_dot(builder, home, product.pair, a, b, a_scale, b_scale)
    assert product is not None
    a, b = (Edge(word, 0, "") for word in words)
    # Where it is a register it stays for a whole problem: units may see it early.
    late = 0 if fabric.programmable else fabric.offsets[unit]
    modes = [Edge(flags.mode(plan.tensor.name), late, "") for plan in fabric.inputs]
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
    totals = list(products)
    counts = [1] * len(products)
    for unit in sorted(range(len(products)), key=lambda u: offsets[u]):
        partials = reduction.partials[unit]
        counts[unit] += sum(counts[source] for source in partials)
        # With ``passed`` the accumulator adds the first one: behind all adders, as in the others.
        for position, source in list(enumerate(partials))[passed:]:
            totals[unit] = builder.add(
                "add",
                f"partial{position}",
                ("pe", unit),
                limit,
                [
                    Edge(totals[unit], 0, f"to_partial{position}"),
                    Edge(
                        totals[source], offsets[unit] - offsets[source], f"from_partial{position}"
                    ),
                ],
            )
        if passed:
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
                limit,
                inputs,
                group="sum",
                latency=1,
                # No sum of products that pass by one of them is of more than all of these.
                parameters=("passed", counts[unit]) if partials else (1,),
            )
    sums = []
    for number, group in enumerate(reduction.groups):
        total, *others = (
            Edge(totals[u], group.offset - offsets[u], f"in{k}") for k, u in enumerate(group.ends)
        )
        for position, term in enumerate(others):
            node = builder.add(
                "add",
                f"chain{position}",
                ("sum", number),
                limit,
                [total, term],
                group=f"sum{len(group.ends)}.chain{position}",
            )
            total = Edge(node, 0, "")
        sums.append(total)
    return sums


def sum_in_time(
    builder: Builder, flags: Flags, fabric: Fabric, totals: Sequence[Edge]
) -> list[Edge]:
    """The sum of every group over the innermost reduction loops."""
    plan = fabric.output
    if plan.hold is None:
        return list(totals)
    terms = prod(fabric.schedule.extents[plan.hold :])
    first = flags(f"first_of_{plan.hold}", "first", plan.hold)
    sums = []
    for group, total in zip(plan.reduction.groups, totals, strict=True):
        home: Home = ("pe", group.ends[0]) if len(group.ends) == 1 else builder[total.source].home
        inputs = [
            Edge(total.source, total.delay, "total_in"),
            Edge(first, group.offset, "first"),
            Edge(flags("issued", "issue"), group.offset, "issue"),
        ]
        node = builder.add(
            "accumulate",
            "sum",
            home,
            plan.tensor.format,
            inputs,
            # Behind a tree, which may be behind accumulators of units in another dataflow.
            group="sum" if home[0] == "pe" else "sum.total",
            latency=1,
            parameters=(terms,),
        )
        sums.append(Edge(node, 0, "sum"))
    return sums
