"""From the fabric to the netlist of primitives."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from accelgen.fabric.banks import BankedAccess
from accelgen.fabric.chain import Chain
from accelgen.fabric.fabric import Fabric, Guard, InputPlan
from accelgen.fabric.reduction import Reduction
from accelgen.formats import IntFormat
from accelgen.netlist.graph import Builder, Edge, Home, Netlist

__all__ = ["build_netlist"]

BIT = IntFormat(1, signed=False)
CONTROL: Home = ("control", 0)


def build_netlist(fabric: Fabric) -> Netlist:
    """Operands, products, sums in space, sums in time, drain, memory: in the order of the data."""
    builder = Builder()
    flags = _Flags(builder, fabric)
    operands = [_operands(builder, flags, fabric, plan) for plan in fabric.inputs]
    products = _products(builder, flags, fabric, operands)
    totals = _sums_in_space(builder, fabric, products)
    sums = _sums_in_time(builder, flags, fabric, totals)
    _drain(builder, flags, fabric, sums)
    return builder.netlist()


class _Flags:
    """Control bits of the main loop nest, one node per distinct condition."""

    def __init__(self, builder: Builder, fabric: Fabric) -> None:
        self._builder = builder
        self._largest = max((*fabric.schedule.extents, *fabric.kernel.bounds))
        self._known: dict[tuple[object, ...], int] = {}

    def __call__(self, name: str, *condition: object) -> int:
        """The flag node ``name`` for a condition of the controller (see rtl.control)."""
        if condition not in self._known:
            self._known[condition] = self._builder.add(
                "flag",
                name,
                CONTROL,
                BIT,
                group="control",
                latency=1,
                parameters=condition,
                ways=self._largest,
            )
        return self._known[condition]


def _operands(builder: Builder, flags: _Flags, fabric: Fabric, plan: InputPlan) -> list[int]:
    """The node of the tensor's operand in every unit."""
    tensor = plan.tensor
    name, format = tensor.name.lower(), tensor.format
    address = _address(builder, f"address_{name}", plan.banked, f"read.{tensor.name}")
    reads = [
        builder.add(
            "read",
            f"{name}_{p}",
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
            link = links.links[links.link[head]]
            sources.append(Edge(operand[links.giver[head]], link.depth, f"{name}_in"))
        if head in ports:
            sources.append(ports[head])
        if len(sources) == 1:
            shared = sources[0]
        else:
            dt = links.links[links.link[head]].dt
            flag = flags(f"{name}_near{links.link[head]}", "inside", dt)
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
            "wire", f"{name}_operand", ("pe", head), format, [shared], group=f"pe.{name}"
        )
        for unit in followers[head]:
            operand[unit] = builder.add(
                "wire", f"{name}_operand", ("pe", unit), format, [shared], group=f"pe.{name}"
            )
    return operand


def _address(builder: Builder, name: str, banked: BankedAccess, group: str) -> int:
    """The address generator of a tensor, at the position of its memory ports."""
    residues = [m for m, r in zip(banked.layout.moduli, banked.rotating, strict=True) if r]
    return builder.add(
        "address",
        name,
        CONTROL,
        IntFormat(max(1, (banked.layout.depth - 1).bit_length()), signed=False),
        group=group,
        parameters=(max(residues, default=1),),
        ways=max(1, len(banked.extents)),
    )


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
    builder: Builder, flags: _Flags, fabric: Fabric, plan: InputPlan, reads: Sequence[int]
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


def _products(
    builder: Builder, flags: _Flags, fabric: Fabric, operands: Sequence[Sequence[int]]
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
        for position, operand in enumerate(operands[1:]):
            left, right = builder[value].format, builder[operand[unit]].format
            value = builder.add(
                "multiply",
                f"product{position}" if len(operands) > 2 else "product",
                home,
                _product_format(left, right),
                [Edge(value, 0, "in0"), Edge(operand[unit], 0, "in1")],
            )
        products.append(value)
    return products


def _sums_in_space(builder: Builder, fabric: Fabric, products: Sequence[int]) -> list[Edge]:
    """The sum of every group, as an edge on the group's own time."""
    reduction = fabric.output.reduction
    offsets = fabric.offsets
    terms = _largest_chain(reduction)
    totals = list(products)
    for unit in sorted(range(len(products)), key=lambda u: offsets[u]):
        for position, source in enumerate(reduction.partials[unit]):
            totals[unit] = builder.add(
                "add",
                f"partial{position}",
                ("pe", unit),
                _sum_format(builder[products[unit]].format, terms),
                [
                    Edge(totals[unit], 0, "in0"),
                    Edge(totals[source], offsets[unit] - offsets[source], f"partial{position}_in"),
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
        leaf, depth = builder[level[0].source].format, 0
        size = len(level)
        while len(level) > 1:
            summed = []
            for position in range(0, len(level) - 1, 2):
                node = builder.add(
                    "add",
                    f"level{depth}_{position // 2}",
                    ("sum", number),
                    _sum_format(leaf, min(size, 2 ** (depth + 1))),
                    level[position : position + 2],
                    group=f"sum{size}.level{depth}",
                )
                summed.append(Edge(node, 0, ""))
            # An odd one out joins the next level.
            level = summed + level[len(level) - len(level) % 2 :]
            depth += 1
        sums.append(level[0])
    return sums


def _sums_in_time(
    builder: Builder, flags: _Flags, fabric: Fabric, totals: Sequence[Edge]
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
        format = _narrower(_sum_format(builder[total.source].format, terms), plan.tensor.format)
        node = builder.add("accumulate", "sum", home, format, inputs, group="sum", latency=1)
        sums.append(Edge(node, 0, "sum"))
    return sums


def _drain(builder: Builder, flags: _Flags, fabric: Fabric, sums: Sequence[Edge]) -> None:
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
    address = _address(builder, name, plan.banked, "write.control")
    for slot in range(len(plan.pattern.slots)):
        run = plan.runs[slot]
        short = run if plan.chain is not None and run < plan.chain.length else None
        condition = ("write", plan.guards[slot], short)
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
            parameters=(slot,),
            ways=prod(m for m, r in zip(layout.moduli, plan.banked.rotating, strict=True) if r),
        )


def _drain_chains(
    builder: Builder, flags: _Flags, fabric: Fabric, chain: Chain, sums: Sequence[Edge]
) -> dict[int, Edge]:
    plan = fabric.output
    groups = plan.reduction.groups
    latest = max(arrivals[-1] for arrivals in chain.arrivals)
    last = flags(f"last_of_{plan.hold}", "last", plan.hold)
    exits: dict[int, Edge] = {}
    for number, (run, arrivals) in enumerate(zip(chain.runs, chain.arrivals, strict=True)):
        upstream: Edge | None = None
        hops = chain.hops(number)
        for position, member in enumerate(run):
            own = Edge(sums[member].source, arrivals[position] - groups[member].offset, "own")
            home = builder[own.source].home
            format = builder[own.source].format
            if upstream is None:
                stage = builder.add("wire", "drain", home, format, [own], group="drain")
            else:
                stage = builder.add(
                    "select",
                    "drain",
                    home,
                    format,
                    [own, upstream, Edge(last, arrivals[position], "drain_switch")],
                    group="drain",
                )
            if position + 1 < len(run):
                upstream = Edge(stage, hops[position], "drain_in")
        exits[plan.slot[run[-1]]] = Edge(stage, latest - arrivals[-1], "data")
    return exits


def _product_format(a: IntFormat, b: IntFormat) -> IntFormat:
    corners = [x * y for x in (a.min, a.max) for y in (b.min, b.max)]
    return IntFormat.for_range(min(corners), max(corners))


def _sum_format(format: IntFormat, terms: int) -> IntFormat:
    return IntFormat.for_range(format.min * terms, format.max * terms)


def _narrower(a: IntFormat, b: IntFormat) -> IntFormat:
    return a if a.bits <= b.bits else b


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
