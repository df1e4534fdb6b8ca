"""How much a point would add to the hypervolume of a front, of many points at once.

What no point of a front dominates is cut into boxes; a point adds the parts of these that are
beyond it (hypervolume improvement, Emmerich et al. 2006, doi.org/10.1109/TEVC.2005.859463).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from accelgen.sweep.front import non_dominated

__all__ = ["improvements", "open_boxes", "shortfalls"]

Floats = NDArray[np.float64]

_AT_ONCE = 1 << 20
"""Pairs of point and box."""


def open_boxes(front: Floats, reference: Floats) -> Floats:
    """Disjoint boxes that are all of what is below ``reference`` and not dominated by a row of
    ``front``, less being better: ``[box, low or high, objective]``, of which low may be -inf.

    At most as many as there are points to the power of the objectives less one.
    """
    inside = front[(front < reference).all(axis=1)]
    return np.array(_boxes(inside, reference), dtype=np.float64).reshape(-1, 2, len(reference))


def _boxes(front: Floats, reference: Floats) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    limit = float(reference[-1])
    if len(reference) == 1:
        return [((-np.inf,), (min([limit, *front[:, 0].tolist()]),))]
    # Between two values of the last objective, only points with less of it dominate anything.
    front = front[np.argsort(front[:, -1], kind="stable")]
    cuts = [-np.inf, *front[:, -1].tolist(), limit]
    found = []
    for number, (low, high) in enumerate(pairwise(cuts)):
        if low < high:
            below = front[:number, :-1]
            for start, end in _boxes(below[non_dominated(below)], reference[:-1]):
                found.append(((*start, low), (*end, high)))
    return found


def improvements(points: Floats, boxes: Floats) -> Floats:
    """The hypervolume that every point (row) would add alone, in boxes of :func:`open_boxes`."""
    each = max(1, _AT_ONCE // max(1, len(boxes)))
    parts = [points[begin : begin + each] for begin in range(0, len(points), each)]
    low, high = boxes[:, 0], boxes[:, 1]
    sides = (high - np.maximum(part[:, None], low) for part in parts)
    found = [np.maximum(side, 0.0).prod(axis=2).sum(axis=1) for side in sides]
    return np.concatenate(found) if found else np.empty(0)


def shortfalls(points: Floats, front: Floats) -> Floats:
    """How much every point (row) would have to be less in all objectives for no row of ``front`` to
    dominate it (0: none does): the additive epsilon indicator (Zitzler et al. 2003,
    doi.org/10.1109/TEVC.2003.810758).
    """
    lacking = (points[:, None] - front).min(axis=2).max(axis=1)
    return np.asarray(np.maximum(lacking, 0.0))
