"""The base-2 exponential by straight lines, as the hardware computes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.datapath.numerics import Numerics

__all__ = ["Lines", "exp2_lines", "negative_exp2"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Lines:
    """``2**-g`` for g in [0, 1): in segment ``n``, ``starts[n] - (slopes[n] * t >> slope_shift)``,
    with ``t`` the bits of g below those that number the segment.  Values have ``fraction`` bits.
    """

    fraction: int
    starts: tuple[int, ...]
    slopes: tuple[int, ...]
    local_bits: int
    slope_shift: int


@cache
def exp2_lines(numerics: Numerics) -> Lines:
    """The lines of least largest relative error in every segment, rounded to integers.

    A chord lies above the convex function; the line halfway between the chord and the parallel
    tangent errs by the same on both sides.
    """
    count = numerics.segments
    fraction = numerics.probability_fraction + numerics.LINE_GUARD
    local_bits = numerics.score_fraction - (count - 1).bit_length()
    extra = 4  # fraction bits of slopes, per step of t, beyond those of values
    starts, slopes = [], []
    for n in range(count):
        low, high = 2.0 ** (-n / count), 2.0 ** (-(n + 1) / count)
        slope = (low - high) * count  # per unit of g, downwards
        # The tangent of that slope touches where ln2 * 2**-g = slope.
        touch = -math.log2(slope / math.log(2))
        gap = low - slope * (touch - n / count) - 2.0**-touch
        starts.append(round((low - gap / 2) * 2**fraction))
        slopes.append(round(slope * 2.0 ** (fraction + extra - numerics.score_fraction)))
    return Lines(fraction, tuple(starts), tuple(slopes), local_bits, extra)


def negative_exp2(x: Ints, numerics: Numerics) -> Ints:
    """``2**-x`` of ``x`` >= 0 with ``score_fraction`` bits, as a probability (int64).

    Rounded half up after the shift by the integer part, and at most one unit below 1.
    """
    lines = exp2_lines(numerics)
    whole = x >> numerics.score_fraction
    part = x & ((1 << numerics.score_fraction) - 1)
    segment = part >> lines.local_bits
    local = part & ((1 << lines.local_bits) - 1)
    starts, slopes = np.array(lines.starts), np.array(lines.slopes)
    value = starts[segment] - ((slopes[segment] * local) >> lines.slope_shift)
    by = np.minimum(whole + numerics.LINE_GUARD, 62)
    rounded: Ints = (value + (np.int64(1) << (by - 1))) >> by
    return np.minimum(rounded, (1 << numerics.probability_fraction) - 1)
