"""Finished sums on their way to the output memory."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from accelgen.fabric.chain import Chain
from accelgen.fabric.fabric import Fabric, Guard
from accelgen.netlist.controls import BIT, CONTROL, Flags, add_address
from accelgen.netlist.graph import Builder, Edge

__all__ = ["drain"]


def drain(builder: Builder, flags: Flags, fabric: Fabric, sums: Sequence[Edge]) -> None:
    """Finished sums to the output memory, through the drain chains where there are any."""
    plan = fabric.output
    layout = plan.banked.layout
    exits: dict[int, Edge] = {}
    if plan.chain is None:
        latest = max(group.offset for group in plan.reduction.groups)
        for number, (group, total) in enumerate(zip(plan.reduction.groups, sums, strict=True)):
            exits[plan.slot[number]] = Edge(
                total.source, total.delay + latest - group.offset, "data"
            )
    else:
        exits = _drain_chains(builder, flags, fabric, plan.chain, sums)
    name = f"address_{plan.tensor.name.lower()}"
    address = add_address(builder, name, plan.banked, "write.control")
    for slot in range(len(plan.pattern.slots)):
        guards = tuple(
            Guard(d, -at, n - 1 - at)
            for d, (at, n) in enumerate(
                zip(plan.pattern.slots[slot], plan.tensor.shape, strict=True)
            )
        )
        members = plan.runs[slot] if plan.chain is not None else None
        if fabric.programmable:
            # Which sides can be left at some bounds is known of what the bounds are not.
            guards = plan.guards[slot]
            short = plan.chain is not None and plan.runs[slot] < plan.chain.length
            members = plan.runs[slot] if short else None
        # A drain chain shorter than the others ends early.
        condition = ("write", guards, members)
        enable = builder.add(
            "flag",
            f"write{slot}",
            CONTROL,
            BIT,
            group="write.control",
            latency=1,
            parameters=condition,
            ways=max(max(map(abs, plan.pattern.range(d))) for d in range(plan.tensor.rank)) + 1,
        )
        builder.add(
            "write",
            f"slot{slot}",
            ("memory", 0),
            plan.tensor.format,
            [exits[slot], Edge(enable, 0, "enable"), Edge(address, 0, "address")],
            group="write",
            parameters=(slot, layout.depth if plan.accumulate else 0),
            ways=prod(m for m, r in zip(layout.moduli, plan.banked.rotating, strict=True) if r),
        )


def _drain_chains(
    builder: Builder, flags: Flags, fabric: Fabric, chain: Chain, sums: Sequence[Edge]
) -> dict[int, Edge]:
    plan = fabric.output
    groups = plan.reduction.groups
    latest = max(arrivals[-1] for arrivals in chain.arrivals)
    last = flags(f"last_of_{plan.hold}", "last", plan.hold)
    format = plan.tensor.format
    exits: dict[int, Edge] = {}
    for number, (run, arrivals) in enumerate(zip(chain.runs, chain.arrivals, strict=True)):
        upstream: Edge | None = None
        hops = chain.hops(number)
        for position, member in enumerate(run):
            own = Edge(sums[member].source, arrivals[position] - groups[member].offset, "own")
            home = builder[own.source].home
            if upstream is None:
                stage = builder.add("wire", "drain", home, format, [own], group="drain")
            else:
                stage = builder.add(
                    "select",
                    "drain",
                    home,
                    format,
                    [own, upstream, Edge(last, arrivals[position], "switch_drain")],
                    group="drain",
                )
            if position + 1 < len(run):
                upstream = Edge(stage, hops[position], "from_drain")
        exits[plan.slot[run[-1]]] = Edge(stage, latest - arrivals[-1], "data")
    return exits
