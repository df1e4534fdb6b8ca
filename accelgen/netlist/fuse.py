"""Several netlists on one array: shared primitives, and multiplexers where their sources differ.

Primitives of the same name in the same unit are one.  One that takes an input from elsewhere in
another dataflow takes it through a ``choose``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from accelgen.errors import InputError
from accelgen.formats import IntFormat
from accelgen.netlist.graph import Builder, Edge, Frame, Home, Netlist, Node, port_of, terms_of

__all__ = ["conditions_of", "fuse"]

Condition = tuple[object, ...] | None
"""What a flag stands for in one dataflow; ``None`` where it has none."""

_KINDS = ("wire", "select", "gate", "add", "accumulate", "multiply", "hold", "fifo")
"""Kinds of primitives that may have one name in different dataflows."""

_GROWS = ("gate", "accumulate")
"""Kinds of primitives that may have more inputs in one dataflow than in another."""

_SUM_PORTS = ("total_in", "first", "issue", "passed_on")
"""The inputs of a running sum, of which each dataflow has some, in order."""

Place = tuple[int, str]
"""Which input of a primitive: its place, and its port where that alone says which."""

Key = tuple[Home, str, str]
"""A primitive of a unit: its home, its kind, its name."""


def conditions_of(node: Node, dataflows: int) -> tuple[Condition, ...]:
    """What a flag stands for in each dataflow."""
    if node.parameters[0] != "by dataflow":
        return (node.parameters,) * dataflows
    conditions = node.parameters[1]
    assert isinstance(conditions, tuple)
    return conditions


def fuse(netlists: Sequence[Netlist]) -> Netlist:
    """One netlist that does what each of several does, when its dataflow is chosen.

    Raises :class:`InputError` when values would run in a circle.
    """
    if len(netlists) == 1:
        return netlists[0]
    return _Fusion(netlists).netlist()


class _Fusion:
    """The union of some netlists under construction."""

    def __init__(self, netlists: Sequence[Netlist]) -> None:
        self._netlists = netlists
        self._frame = replace(_frame(netlists[0]), settled=False)
        self._builder = Builder(self._frame)
        self._flags: dict[tuple[object, ...], int] = {}
        self._made: dict[Key, int] = {}
        # Per primitive its node in each dataflow, if it has one there.
        self._members: dict[Key, list[Node | None]] = {}
        for d, netlist in enumerate(netlists):
            for node in netlist.nodes:
                if not _is_flag(node):
                    key = _key(node)
                    self._members.setdefault(key, [None] * len(netlists))[d] = node

    def netlist(self) -> Netlist:
        """Every primitive after those it reads without delay."""
        order = self._order()
        # Edges that are delayed may be of primitives that come later: numbers are set at the end.
        waiting: list[tuple[int, int, Key]] = []
        for key in order:
            self._make(key, waiting)
        nodes = list(self._builder.nodes)
        for number, position, key in waiting:
            node = nodes[number]
            inputs = list(node.inputs)
            inputs[position] = replace(inputs[position], source=self._made[key])
            nodes[number] = replace(node, inputs=tuple(inputs))
        netlist = Netlist(_own_ports(nodes), self._frame)
        netlist.check()
        return netlist

    def _order(self) -> list[Key]:
        """Topological by the undelayed edges of all dataflows."""
        readers: dict[Key, list[Key]] = {key: [] for key in self._members}
        missing = dict.fromkeys(self._members, 0)
        for d, netlist in enumerate(self._netlists):
            for key, members in self._members.items():
                node = members[d]
                for edge in node.inputs if node is not None else ():
                    source = netlist.nodes[edge.source]
                    if edge.delay == 0 and not _is_flag(source):
                        readers[_key(source)].append(key)
                        missing[key] += 1
        ready = [key for key, count in missing.items() if not count]
        order = []
        while ready:
            key = ready.pop()
            order.append(key)
            for reader in readers[key]:
                missing[reader] -= 1
                if not missing[reader]:
                    ready.append(reader)
        if len(order) < len(self._members):
            (_, number), _, name = next(key for key, count in missing.items() if count)
            raise InputError(
                f"{name} of unit {number} would depend on itself within a cycle",
                where="fusion",
                hint="give one of the dataflows a skew along its sums",
            )
        return order

    def _make(self, key: Key, waiting: list[tuple[int, int, Key]]) -> None:
        members = self._members[key]
        known = [node for node in members if node is not None]
        first = known[0]
        assert all(node.latency == first.latency for node in known), key
        assert first.kind in _GROWS or len({len(node.inputs) for node in known}) == 1, key
        # What an input is for is said by its place: its port may have another name in a dataflow.
        places: dict[Place, list[Edge | None]] = {}
        for d, node in enumerate(members):
            for position, edge in enumerate(node.inputs if node is not None else ()):
                place = _place(first.kind, position, edge)
                places.setdefault(place, [None] * len(members))[d] = edge
        inputs: list[Edge] = []
        keys: list[Key | None] = []
        for place, edges in sorted(places.items()):
            edge, source = self._input(key, first, place, edges, waiting)
            inputs.append(edge)
            keys.append(source)
        parameters = _parameters(members)
        if parameters[:1] == ("chained",):
            inputs.append(Edge(self._dataflow(), 0, f"dataflow_{first.name}"))
            keys.append(None)
        number = self._builder.add(
            first.kind,
            self._name(key),
            first.home,
            max((node.format for node in known), key=lambda form: form.bits),
            inputs,
            group=first.group,
            latency=first.latency,
            parameters=parameters,
            ways=max(node.ways for node in known),
        )
        self._made[key] = number
        for position, source in enumerate(keys):
            if source is not None:
                waiting.append((number, position, source))

    def _name(self, key: Key) -> str:
        """The name of a primitive, with its kind where another kind has it too."""
        home, kind, name = key
        alone = not any(other != kind and (home, other, name) in self._members for other in _KINDS)
        return name if alone else f"{name}_{kind}"

    def _input(
        self,
        key: Key,
        node: Node,
        place: Place,
        edges: Sequence[Edge | None],
        waiting: list[tuple[int, int, Key]],
    ) -> tuple[Edge, Key | None]:
        """The edge at a place, and the key of its source if that is not a flag."""
        given = next(edge.port for edge in edges if edge is not None)
        # Inputs from inside of the unit may have no port name.
        port, name = given or f"in{place[0]}", self._name(key)
        sources = [
            None if e is None else self._netlists[d].nodes[e.source] for d, e in enumerate(edges)
        ]
        delays = [None if e is None else e.delay for e in edges]
        if all(source is None or _is_flag(source) for source in sources):
            flag = self._flag(sources, node)
            choices: list[tuple[int | Key, int] | None] = [
                None if delay is None else (flag, delay) for delay in self._high(key, delays)
            ]
        else:
            choices = [
                None if source is None or delay is None else (_key(source), delay)
                for source, delay in zip(sources, delays, strict=True)
            ]
        distinct = list(dict.fromkeys(choice for choice in choices if choice is not None))
        if len(distinct) == 1:
            return _edge(distinct[0], given)
        form = max(
            (source.format for source in sources if source is not None), key=lambda f: f.bits
        )
        inputs = []
        named = []
        for k, choice in enumerate(distinct):
            edge, source = _edge(choice, f"{port}_{name}_{k}")
            inputs.append(edge)
            named.append(source)
        inputs.append(Edge(self._dataflow(), 0, f"dataflow_{name}_{port}"))
        table = tuple(0 if choice is None else distinct.index(choice) for choice in choices)
        home, group = node.home, f"choose.{node.group}.{port}"
        if home[0] == "memory":
            # Each as early as what it chooses from: sums of all dataflows wait in one delay line
            # behind it.  Units, in contrast, stay alike.
            home, group = ("exit", _slot(node)), f"{group}.{_slot(node)}"
        chosen = self._builder.add(
            "choose", f"{name}_{port}", home, form, inputs, group=group, parameters=table
        )
        for position, source in enumerate(named):
            if source is not None:
                waiting.append((chosen, position, source))
        return Edge(chosen, 0, given), None

    def _high(self, key: Key, delays: Sequence[int | None]) -> list[int | None]:
        """The delays at which the dataflows take a flag, for those too in which it is only high.

        That is not before their first iteration: a flag that came later than the primitive's part
        in an iteration would still be of the problem before.  ``None`` without the primitive.
        """
        given = [delay for delay in delays if delay is not None]
        found = list(delays)
        for d, node in enumerate(self._members[key]):
            if node is None or delays[d] is not None:
                continue
            nodes = self._netlists[d].nodes
            time = max((e.delay for e in node.inputs if _is_flag(nodes[e.source])), default=0)
            # One that another dataflow takes needs no multiplexer of its own.
            found[d] = max((delay for delay in given if delay <= time), default=time)
        return found

    def _flag(self, sources: Sequence[Node | None], node: Node) -> int:
        """The flag that stands for each dataflow's; one that it lacks is high, as a guard is."""
        conditions = tuple(None if source is None else source.parameters for source in sources)
        given = [source for source in sources if source is not None]
        first = given[0]
        writes = first.group == "write.control"
        key = ("by dataflow", conditions, first.group)
        if key not in self._flags:
            name = (
                first.name
                if all(s is not None and s.name == first.name for s in sources)
                else (f"flag{len(self._flags)}" if not writes else first.name)
            )
            self._flags[key] = self._builder.add(
                "flag",
                name if name not in self._names() else f"flag{len(self._flags)}",
                first.home,
                max((s.format for s in given), key=lambda form: form.bits),
                group=first.group,
                latency=1,
                parameters=("by dataflow", conditions),
                ways=max(s.ways for s in given),
            )
        return self._flags[key]

    def _names(self) -> set[str]:
        return {self._builder[number].name for number in self._flags.values()}

    def _dataflow(self) -> int:
        """The flag that says which dataflow is chosen; it stays for a whole problem."""
        key = ("dataflow",)
        if key not in self._flags:
            bits = max(1, (len(self._netlists) - 1).bit_length())
            self._flags[key] = self._builder.add(
                "flag",
                "dataflow_chosen",
                ("control", 0),
                IntFormat(bits, signed=False),
                group="control",
                latency=1,
                parameters=("dataflow",),
                ways=len(self._netlists),
            )
        return self._flags[key]


def _frame(netlist: Netlist) -> Frame:
    assert netlist.frame is not None
    return netlist.frame


def _is_flag(node: Node) -> bool:
    return node.kind == "flag"


def _key(node: Node) -> Key:
    return node.home, node.kind, node.name


def _place(kind: str, position: int, edge: Edge) -> Place:
    """Which of a primitive's inputs an edge is, in any dataflow.

    The conditions of a gate are known by their ports, which are named for the axes along which they
    change.
    """
    if kind == "accumulate":
        return _SUM_PORTS.index(edge.port), ""
    return (1, edge.port) if kind == "gate" and position else (position, "")


def _own_ports(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes, with a port of its own for everything that one takes from outside of its unit."""
    uses: dict[tuple[Home, str], list[tuple[int, int]]] = {}
    for number, node in enumerate(nodes):
        for k, edge in enumerate(node.inputs):
            if nodes[edge.source].home != node.home and node.home[0] != "memory":
                uses.setdefault((node.home, port_of(node, k)), []).append((number, k))
    found = list(nodes)
    for places in uses.values():
        for number, k in places if len(places) > 1 else ():
            inputs = list(found[number].inputs)
            inputs[k] = replace(inputs[k], port=f"{inputs[k].port}_{found[number].name}")
            found[number] = replace(found[number], inputs=tuple(inputs))
    return tuple(found)


def _slot(node: Node) -> int:
    slot = node.parameters[0]
    assert isinstance(slot, int)
    return slot


def _edge(choice: tuple[int | Key, int], port: str) -> tuple[Edge, Key | None]:
    source, delay = choice
    if isinstance(source, int):
        return Edge(source, delay, port), None
    return Edge(-1, delay, port), source


def _parameters(members: Sequence[Node | None]) -> tuple[object, ...]:
    """The parameters of a primitive: the same in all dataflows, but for the size of a FIFO and
    whether a sum takes what is passed on.
    """
    known = [node for node in members if node is not None]
    first = known[0]
    if first.kind == "fifo":
        return max((node.parameters for node in known), key=lambda p: int(str(p[0])))
    if first.kind == "accumulate":
        passed = [node is not None and node.parameters[:1] == ("passed",) for node in members]
        # The most terms that any dataflow adds up, where all say how many.
        counts = [terms_of(node) for node in known]
        terms = None if None in counts else max(count for count in counts if count is not None)
        if any(passed):
            issued = any(edge.port == "issue" for node in known for edge in node.inputs)
            return ("chained", tuple(passed), issued, terms)
        return () if terms is None else (terms,)
    if first.kind == "address":
        return max((node.parameters for node in known), key=lambda p: int(str(p[0])))
    if first.kind in ("read", "write"):
        return first.parameters
    assert all(node.parameters == first.parameters for node in known), first
    return first.parameters
