"""What comes again and again: the loops outside the innermost one that moves something.  Compiled.

Sets of loops are numbers, a bit per loop.
"""

from __future__ import annotations

import numpy as np

from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.tables import Floats, Integers, Tables

__all__ = ["outside_table", "products"]


@compiled
def outside_table(t: Tables, orders: Integers) -> Integers:
    """(orders, operands + 1, sets of loops): of loops with several steps (the set), those that do
    not move an operand and are outside the innermost one that does; every one of their steps
    repeats all its tiles.

    After the operands come the loops that stop the units (see :class:`.Tables`).
    """
    n, count = len(t.bounds), len(t.bits)
    table = np.zeros((len(orders), count + 1, 1 << n), dtype=np.int64)
    for number in range(len(orders)):
        for o in range(count + 1):
            moves = t.moved[o]
            for several in range(1 << n):
                found = collected = 0
                for position in range(n):
                    d = orders[number, position]
                    if not several >> d & 1:
                        continue
                    if moves >> d & 1:
                        found = collected
                    else:
                        collected |= 1 << d
                table[number, o, several] = found
    return table


@lean
def products(values: Floats, into: Floats) -> None:
    """The product of ``values`` over every set of loops."""
    into[0] = 1.0
    for d in range(len(values)):
        for chosen in range(1 << d):
            into[chosen | 1 << d] = into[chosen] * values[d]
