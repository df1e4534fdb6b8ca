"""Model of the output stage: sums of a layer to the integer codes that the next one takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError

__all__ = ["MOST_MULTIPLIER", "MOST_POOL_SHIFT", "MOST_SHIFT", "OutputStage", "Pool",
           "output_stage"]  # fmt: skip

Pool = Literal["none", "max", "average"]

Int64s = NDArray[np.int64]

MOST_MULTIPLIER = 2**16 - 1
MOST_SHIFT = 47
MOST_POOL_SHIFT = 31

_SUM = (-(2**31), 2**31 - 1)
_CODE = (-(2**15), 2**16 - 1)
"""What codes of up to 16 bits can be, signed or not."""


@dataclass(frozen=True, eq=False)
class OutputStage:
    """What becomes of the sums of a layer.

    Arrays have an entry per channel: ``bias`` (int32), ``multiplier`` (0 .. 2**16 - 1), ``shift``
    (0 .. 47), and ``residual_multiplier`` (0 .. 2**16 - 1; ``None``: no residual is added).
    Results are clipped to ``low`` .. ``high`` (within -2**15 .. 2**16 - 1): ReLU is a ``low`` of 0,
    ReLU6 the code of 6 as ``high``.

    ``pool`` takes windows of ``window`` rows and columns, side by side; rows and columns left over
    are dropped.  Averages are the sum of a window times ``pool_multiplier`` (0 .. 2**16 - 1) over
    2**``pool_shift`` (0 .. 31).  Raises :class:`InputError` for anything else.
    """

    bias: Int64s
    multiplier: Int64s
    shift: Int64s
    low: int
    high: int
    residual_multiplier: Int64s | None = None
    pool: Pool = "none"
    window: tuple[int, int] = (1, 1)
    pool_multiplier: int = 1
    pool_shift: int = 0

    def __post_init__(self) -> None:
        """Check ranges and lengths."""
        channels = np.shape(self.bias)
        arrays = {
            "bias": (self.bias, *_SUM),
            "multiplier": (self.multiplier, 0, MOST_MULTIPLIER),
            "shift": (self.shift, 0, MOST_SHIFT),
        }
        if self.residual_multiplier is not None:
            arrays["residual_multiplier"] = (self.residual_multiplier, 0, MOST_MULTIPLIER)
        for name, (array, least, most) in arrays.items():
            if np.ndim(array) != 1 or np.shape(array) != channels or not channels[0]:
                raise InputError(
                    f"has the shape {np.shape(array)}",
                    where=f"output stage: {name}",
                    hint="one entry per channel, as many as bias has",
                )
            _check_range(name, array, least, most)
        _check_range("low", self.low, *_CODE)
        _check_range("high", self.high, *_CODE)
        if self.low > self.high:
            raise InputError(
                f"low {self.low} is above high {self.high}",
                where="output stage",
                hint="low <= high",
            )
        if self.pool not in ("none", "max", "average"):
            raise InputError(
                f"no pool {self.pool!r}", where="output stage", hint="none, max or average"
            )
        if len(self.window) != 2 or min(self.window) < 1:
            raise InputError(
                f"window {self.window}", where="output stage", hint="rows and columns, 1 or more"
            )
        if self.pool == "none" and tuple(self.window) != (1, 1):
            raise InputError(
                f"window {self.window} without a pool",
                where="output stage",
                hint="choose max or average, or leave the window out",
            )
        _check_range("pool_multiplier", self.pool_multiplier, 0, MOST_MULTIPLIER)
        _check_range("pool_shift", self.pool_shift, 0, MOST_POOL_SHIFT)

    @property
    def channels(self) -> int:
        """The number of channels."""
        return len(self.bias)


def output_stage(sums: Int64s, stage: OutputStage, residual: Int64s | None = None) -> Int64s:
    """The results of ``sums`` (int32 values, [..., channels, rows, columns]), as
    [..., channels, rows // window rows, columns // window columns].

    With half(s) = 2**(s - 1), and 0 for s = 0, and >> rounding down:

        y = clip(((sum + bias) * multiplier + residual * residual_multiplier
                  + half(shift)) >> shift)

    and of a window of them the largest, or for averages

        (the sum of the window * pool_multiplier + half(pool_shift)) >> pool_shift.

    ``residual`` (codes of up to 16 bits, of the shape of ``sums``) is given if and only if the
    stage has a multiplier for it.  Raises :class:`InputError` for other shapes, for values out of
    range, and where no window is whole.
    """
    if np.ndim(sums) < 3 or np.shape(sums)[-3] != stage.channels:
        raise InputError(
            f"sums have the shape {np.shape(sums)}",
            where="output stage",
            hint=f"[..., channels, rows, columns] with {stage.channels} channels",
        )
    _check_range("sums", sums, *_SUM)
    total = (np.asarray(sums, np.int64) + _by_channel(stage.bias)) * _by_channel(stage.multiplier)
    if (residual is None) != (stage.residual_multiplier is None):
        raise InputError(
            "a residual and its multiplier go together",
            where="output stage",
            hint="give both or none",
        )
    if residual is not None and stage.residual_multiplier is not None:
        if np.shape(residual) != np.shape(sums):
            raise InputError(
                f"the residual has the shape {np.shape(residual)}",
                where="output stage",
                hint=f"that of the sums: {np.shape(sums)}",
            )
        _check_range("residual", residual, *_CODE)
        total += np.asarray(residual, np.int64) * _by_channel(stage.residual_multiplier)
    y = np.clip(_rounded(total, _by_channel(stage.shift)), stage.low, stage.high)
    return _pooled(y, stage)


def _pooled(y: Int64s, stage: OutputStage) -> Int64s:
    height, width = stage.window
    rows, columns = y.shape[-2] // height, y.shape[-1] // width
    if not rows or not columns:
        raise InputError(
            f"no window of {height} x {width} in {y.shape[-2]} rows and {y.shape[-1]} columns",
            where="output stage",
            hint="give a smaller window",
        )
    whole = y[..., : rows * height, : columns * width]
    windows = whole.reshape(*y.shape[:-2], rows, height, columns, width)
    if stage.pool == "average":
        total = windows.sum(axis=(-3, -1)) * np.int64(stage.pool_multiplier)
        return _rounded(total, np.int64(stage.pool_shift))
    return np.asarray(windows.max(axis=(-3, -1)))


def _rounded(values: Int64s, shift: Int64s | np.int64) -> Int64s:
    """Over 2**shift, to the nearest, halves up."""
    return np.asarray((values + ((np.int64(1) << shift) >> np.int64(1))) >> shift)


def _by_channel(values: Int64s) -> Int64s:
    return np.asarray(values, np.int64)[:, None, None]


def _check_range(name: str, values: Int64s | int, least: int, most: int) -> None:
    found = np.asarray(values)
    if not np.issubdtype(found.dtype, np.integer):
        raise InputError(
            "is no integer", where=f"output stage: {name}", hint="give integers, round before"
        )
    outside = (found < least) | (found > most)
    if outside.any():
        raise InputError(
            f"{found[outside].flat[0]} is out of range",
            where=f"output stage: {name}",
            hint=f"{least} .. {most}",
        )
