"""Several netlists on one array: shared primitives, and multiplexers where their sources differ."""

from __future__ import annotations

from collections.abc import Sequence

from accelgen.netlist.graph import Netlist, Node

__all__ = ["conditions_of", "fuse"]

Condition = tuple[object, ...] | None
"""What a flag stands for in one dataflow; ``None`` where it has none."""


def conditions_of(node: Node, dataflows: int) -> tuple[Condition, ...]:
    """What a flag stands for in each dataflow."""
    if node.parameters[0] != "by dataflow":
        return (node.parameters,) * dataflows
    conditions = node.parameters[1]
    assert isinstance(conditions, tuple)
    return conditions


def fuse(netlists: Sequence[Netlist]) -> Netlist:
    """One netlist that does what each of several does, when its dataflow is chosen."""
    if len(netlists) == 1:
        return netlists[0]
    raise NotImplementedError
