"""How evenly rows of a mask load several arrays."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.names import unknown

__all__ = ["POLICIES", "Balance", "Policy", "balance"]

Ints = NDArray[np.int64]
Policy = Literal["contiguous", "cyclic", "longest_first"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


@dataclass(frozen=True, eq=False)
class Balance:
    """``array`` ``[rows]`` is the array that each row goes to, ``totals`` ``[arrays]`` their
    loads.
    """

    array: Ints
    totals: Ints

    @property
    def ratio(self) -> float:
        """Largest total over the mean, 1 at best (also when there is no load)."""
        return float(self.totals.max() / self.totals.mean()) if self.totals.any() else 1.0


def balance(loads: Ints, arrays: int, policy: Policy) -> Balance:
    """Give rows with ``loads`` (see HeadMask.loads) to ``arrays``.

    ``contiguous``: equal counts of successive rows, the first arrays one more; ``cyclic``: row
    ``r`` to array ``r mod arrays``; ``longest_first``: rows by falling load, each to the array
    with the least so far (ties: the lower row, the lower array).  Raises :class:`InputError` for
    fewer than one array.
    """
    if arrays < 1:
        raise InputError(f"{arrays} arrays", where="arrays", hint="use 1 or more")
    rows = np.arange(len(loads))
    if policy == "contiguous":
        size, more = divmod(len(loads), arrays)
        sizes = np.full(arrays, size)
        sizes[:more] += 1
        array = np.repeat(np.arange(arrays), sizes)
    elif policy == "cyclic":
        array = rows % arrays
    elif policy == "longest_first":
        array = _longest_first(loads, arrays)
    else:
        raise unknown(policy, "policy", POLICIES)
    totals = np.zeros(arrays, dtype=np.int64)
    np.add.at(totals, array, loads)
    return Balance(array.astype(np.int64), totals)


def _longest_first(loads: Ints, arrays: int) -> Ints:
    heap = [(0, array) for array in range(arrays)]
    chosen = np.zeros(len(loads), dtype=np.int64)
    for row in np.argsort(-loads, kind="stable").tolist():
        total, array = heap[0]
        chosen[row] = array
        heapq.heapreplace(heap, (total + int(loads[row]), array))
    return chosen
