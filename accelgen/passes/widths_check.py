"""Is every narrower value still right?  A proof by interval arithmetic, value by value.

Of each value two things are known: the integers it would be without any cutting, and the number of
bits in which what is there agrees with that.  All bits agree and the integers fit: it is exact.
Only the low ones agree: it may be added, multiplied and passed on, but not read for what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from accelgen.netlist.graph import Netlist, Node, terms_of

__all__ = ["prove", "verify"]

_ANY = 1 << 4096
"""Beyond every value."""


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
    """Raise :class:`AssertionError` unless every write is right, modulo two to its width.

    A value that comes from a later node, round a loop with registers in it, is first taken to be
    exact; where that node turns out not to be, to agree in as many bits as it does.  What is left
    in the end holds by induction over the cycles.
    """
    taken = [
        _Value(node.format.min, node.format.max, node.format.bits, exact=True)
        for node in netlist.nodes
    ]
    while True:
        values = _values(netlist, taken)
        weaker = [
            before
            if value.exact or (not before.exact and value.good >= before.good)
            else _Value(-_ANY, _ANY, min(value.good, before.good), exact=False)
            for before, value in zip(taken, values, strict=True)
        ]
        if weaker == taken:
            break
        taken = weaker
    for node, value in zip(netlist.nodes, values, strict=True):
        right = node.kind != "write" or value.good == node.format.bits
        assert right, f"{node.name} writes a value that was cut"


def _values(netlist: Netlist, taken: Sequence[_Value]) -> list[_Value]:
    """What is known of every value when later ones are as they are taken to be."""
    values: list[_Value] = []
    for number, node in enumerate(netlist.nodes):
        form = node.format
        known = [values[e.source] if e.source < number else taken[e.source] for e in node.inputs]
        interval = _interval(node, known)
        if interval is None:
            # It defines its own values, of values that are what they are.
            earlier = [v for e, v in zip(node.inputs, known, strict=True) if e.source < number]
            assert node.kind == "wire" or all(value.exact for value in earlier), (
                f"{node.name} reads a value that was cut"
            )
            values.append(_Value(form.min, form.max, form.bits, exact=True))
            continue
        low, high, used = interval
        good = min([form.bits, *(value.good for value in used if not value.exact)])
        values.append(_Value(low, high, good, good == form.bits and form.holds(low, high)))
    return values


def _interval(node: Node, known: Sequence[_Value]) -> tuple[int, int, Sequence[_Value]] | None:
    """The integers a node is, and the values it is made of; ``None`` where it says so itself."""
    if not known:
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
            chained = node.parameters[:1] == ("chained",)
            used = (first, known[-2]) if chained else (first,)
            terms = terms_of(node)
            if terms is None:
                return -_ANY, _ANY, used
            # Those that a neighbour passes on are among the terms.
            return min(first.low, terms * first.low), max(first.high, terms * first.high), used
    return None
