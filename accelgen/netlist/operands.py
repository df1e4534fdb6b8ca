"""How operands reach the multipliers: memory ports, links, held registers."""

from __future__ import annotations

from collections.abc import Sequence

from accelgen.fabric.fabric import Fabric, InputPlan
from accelgen.netlist.controls import Flags, add_address
from accelgen.netlist.graph import Builder, Edge

__all__ = ["add_operands"]


def add_operands(builder: Builder, flags: Flags, fabric: Fabric, plan: InputPlan) -> list[int]:
    """The node of the tensor's operand in every unit."""
    tensor = plan.tensor
    name, format = tensor.name.lower(), tensor.format
    address = add_address(builder, f"address_{name}", plan.banked, f"read.{tensor.name}")
    reads = [
        builder.add(
            "read",
            f"{name}_read{p}",
            ("memory", 0),
            format,
            [Edge(address, 0, "address")],
            group=f"read.{tensor.name}",
            latency=plan.banked.read_latency,
            parameters=(tensor.name, p),
            ways=2 * plan.banked.layout.depth,
        )
        for p in range(len(plan.pattern.slots))
    ]
    if plan.hold is not None:
        ports = _held(builder, flags, fabric, plan, reads)
    else:
        ports = {
            u: Edge(reads[p], fabric.offsets[u], f"{name}_in")
            for u, p in enumerate(plan.slot)
            if p >= 0
        }
    links = plan.interconnect
    operand = [-1] * fabric.kernel.units
    followers = _followers(plan)
    for head in _givers_first(plan):
        sources = []
        if links.giver[head] >= 0:
            given = operand[links.giver[head]]
            sources.append(_through(builder, flags, fabric, plan, head, given))
        if head in ports:
            sources.append(ports[head])
        if len(sources) == 1:
            shared = sources[0]
        else:
            dt = links.links[links.link[head]].dt
            number = links.link[head]
            which = (plan.tensor.name, number) if fabric.programmable else ()
            flag = flags(f"{name}_near{number}", "inside", dt, *which)
            select = builder.add(
                "select",
                f"{name}_select",
                ("pe", head),
                format,
                [
                    Edge(sources[0].source, sources[0].delay, f"{name}_near"),
                    Edge(sources[1].source, sources[1].delay, f"{name}_memory"),
                    Edge(flag, fabric.offsets[head], f"{name}_use_near"),
                ],
            )
            shared = Edge(select, 0, f"{name}_in")
        operand[head] = builder.add(
            "wire", f"{name}_operand", ("pe", head), format, [shared], group=f"operand.{name}"
        )
        for unit in followers[head]:
            operand[unit] = builder.add(
                "wire", f"{name}_operand", ("pe", unit), format, [shared], group=f"operand.{name}"
            )
    return operand


def _through(
    builder: Builder, flags: Flags, fabric: Fabric, plan: InputPlan, head: int, given: int
) -> Edge:
    """What a unit is given through its link, at the link's delay.

    Where the bounds are registers, so is the depth of a link through time.
    """
    name, number = plan.tensor.name.lower(), plan.interconnect.link[head]
    link = plan.interconnect.links[number]
    if not (fabric.programmable and link.predicated):
        return Edge(given, link.depth, f"{name}_in")
    most = max(1, link.depth - 1)
    # The first cycle of the link is the register of the FIFO.
    depth = flags.number(f"{name}_cycles{number}", ("depth", plan.tensor.name, number), most)
    fifo = builder.add(
        "fifo",
        # A unit has one per operand, so that dataflows which take it from elsewhere share it.
        f"{name}_fifo",
        ("pe", head),
        plan.tensor.format,
        [Edge(given, 1, f"{name}_fifo_in"), Edge(depth, 0, f"{name}_fifo_depth")],
        group=f"fifo.{name}",
        latency=1,
        parameters=(most,),
    )
    return Edge(fifo, 0, f"{name}_in")


def _followers(plan: InputPlan) -> list[list[int]]:
    """For every head the other units on its wire."""
    followers: list[list[int]] = [[] for _ in plan.slot]
    for unit, head in enumerate(plan.interconnect.head):
        if unit != head:
            followers[head].append(unit)
    return followers


def _givers_first(plan: InputPlan) -> list[int]:
    """The heads, each after the head whose operand it is given."""
    links = plan.interconnect
    order: list[int] = []
    done: set[int] = set()
    for unit in range(len(links.head)):
        path = []
        here = links.head[unit]
        while here not in done:
            done.add(here)
            path.append(here)
            if links.giver[here] < 0:
                break
            here = links.head[links.giver[here]]
        order.extend(reversed(path))
    return order


def _held(
    builder: Builder, flags: Flags, fabric: Fabric, plan: InputPlan, reads: Sequence[int]
) -> dict[int, Edge]:
    """The registers of a stationary tensor, fed directly or through shift chains."""
    name, format = plan.tensor.name.lower(), plan.tensor.format
    level = plan.hold
    ports: dict[int, Edge] = {}
    feeds: list[tuple[int, Edge]] = []
    if plan.chain is None:
        feeds = [
            (u, Edge(reads[p], fabric.offsets[u], f"{name}_load_in"))
            for u, p in enumerate(plan.slot)
            if p >= 0
        ]
    else:
        earliest = min(arrivals[0] for arrivals in plan.chain.arrivals)
        for number, (run, arrivals) in enumerate(
            zip(plan.chain.runs, plan.chain.arrivals, strict=True)
        ):
            delays = [arrivals[0] - earliest, *plan.chain.hops(number)]
            source = reads[plan.slot[run[0]]]
            for unit, arrival, delay in zip(run, arrivals, delays, strict=True):
                upstream = Edge(source, delay, f"{name}_load_in")
                source = builder.add(
                    "wire", f"{name}_load", ("pe", unit), format, [upstream], group=f"load.{name}"
                )
                wait = fabric.offsets[unit] - arrival
                feeds.append((unit, Edge(source, wait, f"{name}_load")))
    flag = flags(f"first_of_{level}", "first", level)
    for unit, feed in feeds:
        hold = builder.add(
            "hold",
            f"{name}_held",
            ("pe", unit),
            format,
            [feed, Edge(flag, fabric.offsets[unit], f"{name}_switch")],
            latency=1,
        )
        ports[unit] = Edge(hold, 0, f"{name}_in")
    return ports
