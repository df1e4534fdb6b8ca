"""Is every narrower value still right?  A proof by interval arithmetic, value by value.

Of each value two things are known: the integers it would be without any cutting, and the number of
bits in which what is there agrees with that.  All bits agree and the integers fit: it is exact.
Only the low ones agree: it may be added, multiplied and passed on, but not read for what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from accelgen.netlist.graph import Netlist, Node

__all__ = ["prove", "verify"]


@dataclass(frozen=True)
class _Value:
    low: int
    high: int
    good: int
    """Low bits that agree with the integer without any cutting."""
    exact: bool


def verify(before: Netlist, after: Netlist) -> None:
    """Raise :class:`AssertionError` unless every write of ``after`` is that of ``before``, modulo
    two to its width, and nothing but formats changed.
    """
    assert len(before.nodes) == len(after.nodes)
    for was, now in zip(before.nodes, after.nodes, strict=True):
        assert replace(was, format=now.format) == now, f"{was.name} is another"
        assert now.format.bits <= was.format.bits, f"{now.name} is wider than it was"
    prove(before)
    prove(after)


def prove(netlist: Netlist) -> None:
    """Raise :class:`AssertionError` unless every write is right, modulo two to its width."""
    nodes = netlist.nodes
    values: list[_Value] = []
    for number, node in enumerate(nodes):
        form = node.format
        known = [values[e.source] for e in node.inputs if e.source < number]
        interval = _interval(node, known) if len(known) == len(node.inputs) else None
        if interval is None:
            # It defines its own values, of values that are what they are.
            assert node.kind == "wire" or all(value.exact for value in known), (
                f"{node.name} reads a value that was cut"
            )
            values.append(_Value(form.min, form.max, form.bits, exact=True))
            continue
        low, high, used = interval
        good = min([form.bits, *(value.good for value in used if not value.exact)])
        exact = good == form.bits and form.holds(low, high)
        values.append(_Value(low, high, good, exact))
        if node.kind == "write":
            assert good == form.bits, f"{node.name} writes a value that was cut"


def _interval(node: Node, known: Sequence[_Value]) -> tuple[int, int, Sequence[_Value]] | None:
    """The integers a node is, and the values it is made of; ``None`` where it says so itself."""
    if not known or (node.kind == "accumulate" and node.parameters[:1] in ((), ("chained",))):
        return None
    first = known[0]
    match node.kind:
        case "wire" | "hold" | "write":
            return first.low, first.high, known[:1]
        case "gate":
            return min(0, first.low), max(0, first.high), known[:1]
        case "select" | "choose":
            data = known[:-1]
            return min(v.low for v in data), max(v.high for v in data), data
        case "add":
            return first.low + known[1].low, first.high + known[1].high, known[:2]
        case "multiply":
            ends = [a * b for a in (first.low, first.high) for b in (known[1].low, known[1].high)]
            return min(ends), max(ends), known[:2]
        case "accumulate":
            terms = int(str(node.parameters[0]))
            return min(first.low, terms * first.low), max(first.high, terms * first.high), known[:1]
    return None
