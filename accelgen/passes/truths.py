"""What loop bounds say of flags: what is always so, never so, or half of it redundant."""

from __future__ import annotations

from dataclasses import replace

from accelgen.fabric.access import AccessPattern
from accelgen.fabric.fabric import Guard
from accelgen.netlist.graph import Frame, Node

__all__ = ["simplified"]


def simplified(flag: Node, frame: Frame) -> Node | bool:
    """The flag with the parts of its condition that the loops imply left out, or its value.

    A value is that whenever an iteration is issued, or an element written: at other times no
    reader of the flag counts.
    """
    kind, *arguments = flag.parameters
    if kind == "inside":
        (dt,) = arguments
        assert isinstance(dt, tuple)
        steps = list(zip(dt, frame.issues.extents, strict=True))
        if any(abs(step) >= extent for step, extent in steps):
            return False
        return flag if any(step for step, _ in steps) else True
    if kind == "guard":
        (guard,) = arguments
        assert isinstance(guard, Guard)
        found = _tightened(guard, frame.issues)
        if isinstance(found, bool):
            return found
        return replace(flag, parameters=("guard", found))
    if kind == "write":
        guards, members = arguments
        assert isinstance(guards, tuple)
        kept = [_tightened(guard, frame.writes) for guard in guards]
        if False in kept:
            return False
        if members is not None and members == frame.writes.extents[-1]:
            members = None
        left = tuple(guard for guard in kept if guard is not True)
        # That a write happens at all is part of the condition.
        return replace(flag, parameters=("write", left, members))
    return flag


def _tightened(guard: Guard, pattern: AccessPattern) -> Guard | bool:
    base = pattern.origin[guard.dimension]
    reach = [
        (n - 1) * step
        for n, step in zip(pattern.extents, pattern.steps[guard.dimension], strict=True)
    ]
    least = base + sum(min(0, r) for r in reach)
    most = base + sum(max(0, r) for r in reach)
    low = guard.low if guard.low is not None and least < guard.low else None
    high = guard.high if guard.high is not None and most > guard.high else None
    if (low is not None and most < low) or (high is not None and least > high):
        return False
    return True if low is None and high is None else Guard(guard.dimension, low, high)
