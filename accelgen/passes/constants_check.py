"""Is what the removal of constant logic left out really constant or dead?

Every input that remains is justified on its own: from the edge there was, through nodes that do
nothing, to the edge there is.  Flags are judged by trying the corners of the loop nest, in which
affine indices have their extremes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product

from accelgen.fabric.access import AccessPattern
from accelgen.fabric.fabric import Guard
from accelgen.netlist.graph import RING, Edge, Frame, Netlist, Node

__all__ = ["issues_always", "verify"]

Place = tuple[object, str]


def verify(before: Netlist, after: Netlist) -> None:
    """Raise :class:`AssertionError` unless ``after`` writes what ``before`` does."""
    if before is after:
        return
    assert before.frame is not None
    _Check(before, after, before.frame).all()


class _Check:
    def __init__(self, before: Netlist, after: Netlist, frame: Frame) -> None:
        self._nodes, self._after, self._frame = before.nodes, after.nodes, frame
        self._number = {(n.home, n.name): k for k, n in enumerate(before.nodes)}
        self._truth = cache(self._judged)

    def all(self) -> None:
        kept = {(node.home, node.name) for node in self._after}
        for old in self._nodes:
            if old.kind == "write" and (old.home, old.name) not in kept:
                assert self._truth(old.inputs[1].source) == (False,), f"{old.name} may write"
            assert old.kind not in ("read", "address") or (old.home, old.name) in kept
        for node in self._after:
            if node.kind == "constant":
                assert not node.inputs
                continue
            was = self._nodes[self._number[node.home, node.name]]
            if node.kind == "flag":
                assert self._equivalent(was, node), f"{node.name} is another condition"
                continue
            same = (was.kind, was.format, was.latency, was.group, was.parameters, was.ways)
            assert same == (
                node.kind, node.format, node.latency, node.group, node.parameters, node.ways
            )  # fmt: skip
            self._inputs(was, node)

    def _inputs(self, was: Node, node: Node) -> None:
        if node.kind not in RING and node.kind != "write":
            for old, new in zip(was.inputs, node.inputs, strict=True):
                given, found = self._nodes[old.source].format, self._after[new.source].format
                assert given == found, f"{node.name} reads other bits"
        left = list(node.inputs)
        for position, edge in enumerate(was.inputs):
            if left and self._leads(edge, left[0]):
                left.pop(0)
            else:
                assert self._is_idle(was, position), f"an input of {node.name} is missing"
        assert not left, f"{node.name} has an input of its own"

    def _is_idle(self, node: Node, position: int) -> bool:
        """Whether a condition among the inputs of a node is always met."""
        edge = node.inputs[position]
        if node.kind == "gate" and position:
            return self._truth(edge.source) == (True,)
        if node.kind == "accumulate" and position == 2:
            level = self._nodes[node.inputs[1].source].parameters[-1]
            assert isinstance(level, int)
            flag = self._nodes[edge.source].parameters
            together = edge.delay == node.inputs[1].delay
            return flag == ("issue",) and together and issues_always(self._frame, level)
        return False

    def _leads(self, old: Edge, new: Edge) -> bool:
        """Whether the value of edge ``old`` before is that of ``new`` after."""
        target = self._after[new.source]
        if target.kind == "constant":
            return self._is_zero(old)
        if target.kind == "flag":
            flag = self._nodes[old.source]
            return (
                flag.kind == "flag"
                and flag.group == target.group
                and (old.delay == new.delay and self._equivalent(flag, target))
            )
        place, delay = (target.home, target.name), old.delay
        here = old.source
        while True:
            node = self._nodes[here]
            if (node.home, node.name) == place and delay == new.delay:
                return True
            through = self._passed(node)
            if through is None:
                return False
            here, delay = through.source, delay + through.delay

    def _passed(self, node: Node) -> Edge | None:
        """The input whose value a node has, in all that count."""
        if node.kind == "gate":
            met = all(self._truth(edge.source) == (True,) for edge in node.inputs[1:])
            return node.inputs[0] if met else None
        if node.kind == "select":
            first, second, flag = node.inputs
            values = self._truth(flag.source)
            if len(values) == 1:
                return first if values[0] else second
            return first if self._end(first) == self._end(second) else None
        if node.kind == "choose":
            taken = [node.inputs[int(str(k))] for k in node.parameters]
            alike = len({self._end(edge) for edge in taken}) == 1
            return taken[0] if alike else None
        if node.kind == "add":
            for zero, other in (node.inputs, node.inputs[::-1]):
                fits = node.format.bits >= self._nodes[other.source].format.bits
                if fits and self._is_zero(zero):
                    return other
        return None

    def _end(self, edge: Edge) -> tuple[int, int]:
        """Where the value of an edge comes from in the end, and how late it is."""
        here, delay = edge.source, edge.delay
        while (through := self._passed(self._nodes[here])) is not None:
            here, delay = through.source, delay + through.delay
        return here, delay

    def _is_zero(self, edge: Edge) -> bool:
        here = self._end(edge)[0]
        node = self._nodes[here]
        if node.kind == "gate":
            blocked = any(self._truth(edge.source) == (False,) for edge in node.inputs[1:])
            return blocked or self._is_zero(node.inputs[0])
        if node.kind == "multiply":
            return any(map(self._is_zero, node.inputs))
        if node.kind == "add":
            return all(map(self._is_zero, node.inputs))
        if node.kind in ("select", "choose"):
            return all(map(self._is_zero, node.inputs[:-1]))
        carries = node.kind in ("wire", "hold", "accumulate") and node.inputs
        return bool(carries) and self._is_zero(node.inputs[0])

    def _judged(self, number: int) -> tuple[bool, ...]:
        """The values a flag can have where it counts."""
        node = self._nodes[number]
        kind, *arguments = node.parameters
        issues, writes = self._frame.issues, self._frame.writes
        if not self._frame.settled:
            return False, True
        if kind == "inside":
            sides = [self._inside(arguments[0], t) for t in _corners(issues)]
            # Each of its comparisons is one of a single index.
            never = any(not any(row[k] for row in sides) for k in range(len(issues.extents)))
            return (False,) if never else _values(all(row) for row in sides)
        if kind == "guard":
            return _truth(arguments[0], issues)
        if kind == "write":
            assert isinstance(arguments[0], tuple)
            never = any(_truth(guard, writes) == (False,) for guard in arguments[0])
            return (False,) if never else (False, True)
        return False, True

    def _inside(self, dt: object, t: tuple[int, ...]) -> list[bool]:
        assert isinstance(dt, tuple)
        extents = self._frame.issues.extents
        return [0 <= x - d < n for x, d, n in zip(t, dt, extents, strict=True)]

    def _equivalent(self, was: Node, now: Node) -> bool:
        """Whether a flag says the same as another wherever it counts."""
        if was.parameters == now.parameters or not self._frame.settled:
            return was.parameters == now.parameters
        kind, *old = was.parameters
        other, *new = now.parameters
        if kind != other:
            return False
        if kind == "guard":
            return _agree(old[0], new[0], self._frame.issues)
        if kind == "write":
            writes = self._frame.writes
            assert isinstance(old[0], tuple)
            assert isinstance(new[0], tuple)
            if old[1] != new[1] and (new[1] is not None or old[1] != writes.extents[-1]):
                return False
            by_dimension: Mapping[int, object] = {guard.dimension: guard for guard in new[0]}
            dimensions = {guard.dimension for guard in old[0]}
            return set(by_dimension) <= dimensions and all(
                _agree(guard, by_dimension[guard.dimension], writes)
                if guard.dimension in by_dimension
                else _truth(guard, writes) == (True,)
                for guard in old[0]
            )
        return False


def _corners(pattern: AccessPattern) -> list[tuple[int, ...]]:
    return list(product(*(sorted({0, n - 1}) for n in pattern.extents)))


@cache
def _extremes(dimension: int, pattern: AccessPattern) -> tuple[int, int]:
    slot = pattern.slots[0][dimension]
    values = [pattern.element(t, 0)[dimension] - slot for t in _corners(pattern)]
    return min(values), max(values)


def _sides(guard: object, pattern: AccessPattern) -> tuple[bool, bool, bool]:
    """Whether an index can be below, and above, and whether it is always one of the two."""
    assert isinstance(guard, Guard)
    least, most = _extremes(guard.dimension, pattern)
    below = guard.low is not None and least < guard.low
    above = guard.high is not None and most > guard.high
    outside = (guard.low is not None and most < guard.low) or (
        guard.high is not None and least > guard.high
    )
    return below, above, outside


def _truth(guard: object, pattern: AccessPattern) -> tuple[bool, ...]:
    below, above, outside = _sides(guard, pattern)
    if outside:
        return (False,)
    return (False, True) if below or above else (True,)


def _agree(old: object, new: object, pattern: AccessPattern) -> bool:
    """Whether two guards differ in nothing but bounds that no index crosses."""
    assert isinstance(old, Guard)
    assert isinstance(new, Guard)
    below, above, _ = _sides(old, pattern)
    low = old.low == new.low or (new.low is None and not below)
    high = old.high == new.high or (new.high is None and not above)
    return old.dimension == new.dimension and low and high


def _values(found: object) -> tuple[bool, ...]:
    assert hasattr(found, "__iter__")
    return tuple(sorted({bool(value) for value in found}))


def issues_always(frame: Frame, level: int) -> bool:
    """Whether the loops from ``level`` inwards have as many iterations as cycles."""
    if not frame.settled:
        return False
    terms = span = 1
    pattern = frame.issues
    for extent, stride in zip(pattern.extents[level:], pattern.strides[level:], strict=True):
        terms *= extent
        span += (extent - 1) * stride
    return span == terms
