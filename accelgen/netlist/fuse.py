"""Several netlists on one array: shared primitives, and multiplexers where their sources differ."""

from __future__ import annotations

from accelgen.netlist.graph import Node

__all__ = ["conditions_of"]

Condition = tuple[object, ...] | None
"""What a flag stands for in one dataflow; ``None`` where it has none."""


def conditions_of(node: Node, dataflows: int) -> tuple[Condition, ...]:
    """What a flag stands for in each dataflow."""
    if node.parameters[0] != "by dataflow":
        return (node.parameters,) * dataflows
    conditions = node.parameters[1]
    assert isinstance(conditions, tuple)
    return conditions
