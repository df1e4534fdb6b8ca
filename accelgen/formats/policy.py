"""Choices that a number format leaves open: rounding, overflow, NaN, minus zero, scale rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.names import nearest, shorten

__all__ = [
    "DEFAULT",
    "BlockError",
    "Bools",
    "Codes",
    "Float32s",
    "Float64s",
    "Integers",
    "Limits",
    "Overflow",
    "Policy",
    "Rounding",
    "ScaleRule",
    "check_codes",
    "code_type",
    "round_up",
    "to_float",
]

Codes = NDArray[np.unsignedinteger[Any]]
"""Codes of a format: its bits, in the smallest of uint8, uint16, uint32 that holds them."""
Integers = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]
Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]

Rounding = Literal["nearest-even", "nearest-away", "nearest-zero", "toward-zero", "stochastic"]
"""To the nearest value, a tie to the even code, away from zero or toward zero; to the next value
toward zero; or up or down at random, such that the mean is the value."""
Overflow = Literal["saturate", "special"]
"""What becomes of values beyond the largest one and of infinities: the largest value, or Inf or
NaN where the format has them (else the largest value as well)."""
ScaleRule = Literal["floor", "ceil"]
"""Scale of an MX block of largest magnitude a: 2**(floor(log2 a) - emax), or the smallest power of
two that keeps a within the elements' range."""
BlockError = Literal["mse", "mae", "abs_max"]
"""By which error a block chooses among two encodings: sum of squares, of magnitudes, or the
largest magnitude."""


@dataclass(frozen=True)
class Policy:
    """How values become codes.

    Each format uses the fields that apply to it.  ``seed`` starts the random numbers of stochastic
    rounding: the same values, policy and seed give the same codes.  ``nan="keep"`` turns NaN into
    the format's NaN (of a block format: NaN and Inf into a NaN scale, which makes the block NaN),
    or into zero where there is none; ``"error"`` refuses it.  ``negative_zero=False`` turns minus
    zero, and what is rounded to it, into plus zero.  Raises :class:`InputError` for an unknown
    choice.
    """

    rounding: Rounding = "nearest-even"
    overflow: Overflow = "saturate"
    nan: Literal["keep", "error"] = "keep"
    negative_zero: bool = True
    scale_rule: ScaleRule = "floor"
    error: BlockError = "mse"
    seed: int = 0

    def __post_init__(self) -> None:
        choices: dict[str, tuple[str, ...]] = {
            "rounding": get_args(Rounding),
            "overflow": get_args(Overflow),
            "nan": ("keep", "error"),
            "scale_rule": get_args(ScaleRule),
            "error": get_args(BlockError),
        }
        for field, known in choices.items():
            given = getattr(self, field)
            if given not in known:
                raise InputError(
                    f"unknown choice {shorten(given)}",
                    where=f"policy: {field}",
                    hint=nearest(str(given), known),
                )
        if self.seed < 0:
            raise InputError(f"{self.seed} is negative", where="policy: seed", hint="use 0 or more")

    def generator(self) -> np.random.Generator | None:
        """Fresh random numbers for stochastic rounding, else nothing."""
        if self.rounding != "stochastic":
            return None
        return np.random.Generator(np.random.PCG64(self.seed))


DEFAULT = Policy()
"""To nearest even, saturating, NaN and minus zero kept."""


@dataclass(frozen=True)
class Limits:
    """The finite range of a format: ``lowest`` and ``max`` value, the least positive normal value
    and the least positive value of all (equal when there are no subnormal ones).
    """

    lowest: float
    max: float
    min_normal: float
    min_subnormal: float


def round_up(
    fraction: Float64s, odd: Bools, policy: Policy, generator: np.random.Generator | None
) -> Bools:
    """Whether magnitudes ``fraction`` (0 <= f < 1) of a step above a code go to the next code.

    ``odd`` says whether the code below is odd.
    """
    match policy.rounding:
        case "nearest-even":
            up = (fraction > 0.5) | ((fraction == 0.5) & odd)
        case "nearest-away":
            up = fraction >= 0.5
        case "nearest-zero":
            up = fraction > 0.5
        case "toward-zero":
            up = np.zeros(fraction.shape, dtype=np.bool_)
        case "stochastic":
            generator = generator or policy.generator()
            assert generator is not None
            up = generator.random(fraction.shape) < fraction
    return np.asarray(up, dtype=np.bool_)


def to_float(values: object, policy: Policy, has_nan: bool) -> Float64s:
    """``values`` as float64 for encoding, NaN replaced by zero or refused where that is asked."""
    try:
        wide = np.asarray(values)
        if wide.dtype.kind not in "fiub":
            raise TypeError
    except (TypeError, ValueError):
        raise InputError(f"{shorten(values)} are no real numbers") from None
    with np.errstate(invalid="ignore"):  # signalling NaN
        wide = wide.astype(np.float64)
    bad = np.isnan(wide)
    if bad.any():
        if policy.nan == "error":
            first = ", ".join(str(i) for i in np.argwhere(bad)[0])
            raise InputError(f"NaN at ({first})", hint="remove it, or use nan='keep'")
        if not has_nan:
            wide = np.where(bad, 0.0, wide)
    return wide


def check_codes(codes: object, count: int, name: str) -> Integers:
    """``codes`` as an array of integers; :class:`InputError` unless all are in 0..count-1."""
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        raise InputError(f"codes of {name} are integers, not {array.dtype}")
    if array.size and (int(array.min()) < 0 or int(array.max()) >= count):
        worst = int(array.min()) if int(array.min()) < 0 else int(array.max())
        raise InputError(f"{worst} is no code of {name}", hint=f"codes are 0..{count - 1}")
    return array


def code_type(width: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The smallest of uint8, uint16, uint32 with ``width`` bits."""
    return np.dtype(np.uint8 if width <= 8 else np.uint16 if width <= 16 else np.uint32)
