"""Floating-point formats of any exponent and mantissa width, and powers of two as scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from accelgen.errors import InputError
from accelgen.formats.policy import (
    DEFAULT,
    Codes,
    Float32s,
    Float64s,
    Integers,
    Limits,
    Policy,
    check_codes,
    code_type,
    round_up,
    to_float,
)

__all__ = [
    "BF16",
    "E8M0",
    "FP16",
    "FP32",
    "FloatFormat",
    "PowerFormat",
    "Specials",
    "usual_specials",
]

Specials = Literal["finite", "nan", "ieee"]
"""What the highest exponent means: ordinary values; ordinary values, but NaN where all bits are
ones; or Inf (mantissa zero) and NaN."""

_TABLE_MANTISSA = 5
"""Widest mantissa for which the upper half of an FP32 number, with one sticky bit, says how it is
rounded: a rounding boundary has two significant bits more, and FP32's upper half has eight."""


def usual_specials(exponent_bits: int, mantissa_bits: int) -> Specials:
    """The convention of the standard formats, continued to all: exponents of up to 3 bits have no
    special values (E2M1, E2M3, E3M2), of 4 bits NaN (E4M3), of 5 and more bits Inf and NaN (E5M2,
    fp16); a mantissa of no bits cannot tell Inf from NaN, and is NaN.
    """
    if exponent_bits <= 3:
        return "finite"
    return "nan" if exponent_bits == 4 or mantissa_bits == 0 else "ieee"


@dataclass(frozen=True)
class FloatFormat:
    """Sign, exponent of 2 to 8 bits with the usual bias, mantissa of 0 to 23 bits, subnormals.

    Without ``signed`` there is no sign bit, and negative values saturate to zero (with
    ``overflow="special"``: become NaN where there is one).
    """

    exponent_bits: int
    mantissa_bits: int
    specials: Specials = "finite"
    signed: bool = True

    def __post_init__(self) -> None:
        if not (2 <= self.exponent_bits <= 8 and 0 <= self.mantissa_bits <= 23):
            raise InputError(
                f"{self.exponent_bits} exponent and {self.mantissa_bits} mantissa bits",
                hint="use 2..8 and 0..23 bits",
            )
        if self.specials == "ieee" and self.mantissa_bits == 0:
            raise InputError("Inf and NaN need a mantissa", hint="use specials='nan'")

    @property
    def width(self) -> int:
        """Bits of a code."""
        return self.signed + self.exponent_bits + self.mantissa_bits

    @property
    def bias(self) -> int:
        """What is added to the exponent of a normal value."""
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def emax(self) -> int:
        """The exponent of the largest value."""
        return (self.max_code >> self.mantissa_bits) - self.bias

    @property
    def max_code(self) -> int:
        """The code of the largest value."""
        top = 1 << (self.exponent_bits + self.mantissa_bits)
        if self.specials == "ieee":
            return top - (1 << self.mantissa_bits) - 1
        return top - 1 - (self.specials == "nan")

    @property
    def inf_code(self) -> int | None:
        """The code of plus infinity, if there is one."""
        return self.max_code + 1 if self.specials == "ieee" else None

    @property
    def nan_code(self) -> int | None:
        """The code of the NaN that encoding produces, if there is one: positive and quiet."""
        if self.specials == "ieee":
            return self.max_code + 1 + (1 << (self.mantissa_bits - 1))
        return self.max_code + 1 if self.specials == "nan" else None

    @property
    def limits(self) -> Limits:
        """The finite range; without mantissa bits there is no subnormal value."""
        largest = float(self.decode([self.max_code])[0])
        normal = 2.0 ** (1 - self.bias)
        return Limits(
            -largest if self.signed else 0.0, largest, normal, normal * 2.0**-self.mantissa_bits
        )

    def spacing(self, values: object) -> Float64s:
        """Distance from each value's magnitude to the next larger one (NaN for NaN and Inf)."""
        magnitude = np.abs(np.asarray(values, dtype=np.float64))
        _, exponent = np.frexp(magnitude)
        exponent = np.clip(exponent - 1, 1 - self.bias, self.emax)
        exponent = np.where(magnitude == 0.0, 1 - self.bias, exponent)
        step = np.ldexp(1.0, exponent - self.mantissa_bits)
        return np.where(np.isfinite(magnitude), step, np.nan)

    def decode(self, codes: object) -> Float64s:
        """The values of ``codes`` (integers 0..2**width - 1, any shape)."""
        found = check_codes(codes, 1 << self.width, str(self))
        if self.width <= 16:
            return _values(self)[found]
        return self._decode(found.astype(np.int64))

    def encode(self, values: object, policy: Policy = DEFAULT) -> Codes:
        """The codes of real ``values`` of any shape, rounded once from float64."""
        array = np.asarray(values)
        if array.dtype == np.float32:
            return self.encoder(policy)(array)
        return self._encode(to_float(values, policy, self.nan_code is not None), policy, None)

    def encoder(self, policy: Policy = DEFAULT) -> Callable[[Float32s], Codes]:
        """Encodes float32 arrays, quickly where it can, drawing from one stream of random numbers.

        Equal to :meth:`encode`; for stochastic rounding, to that of all arrays in one.
        """
        generator = policy.generator()
        if generator is not None or self.mantissa_bits > _TABLE_MANTISSA:
            has_nan = self.nan_code is not None
            return lambda x: self._encode(to_float(x, policy, has_nan), policy, generator)
        table = _rounding_table(self, policy)

        def encode(values: Float32s) -> Codes:
            if policy.nan == "error":
                to_float(values, policy, has_nan=True)
            bits = np.ascontiguousarray(values).view(np.uint32)
            # Upper half, its last bit set where any bit of the lower half is.
            index = bits & np.uint32(0xFFFF)
            index += np.uint32(0xFFFF)
            index |= bits
            index >>= np.uint32(16)
            return table.take(index).reshape(np.shape(values))

        return encode

    def _decode(self, codes: Integers) -> Float64s:
        exponent_mask = (1 << self.exponent_bits) - 1
        mantissa = codes & ((1 << self.mantissa_bits) - 1)
        exponent = (codes >> self.mantissa_bits) & exponent_mask
        whole = mantissa + (np.minimum(exponent, 1) << self.mantissa_bits)
        power = np.maximum(exponent, 1) - self.bias - self.mantissa_bits
        value = np.ldexp(whole.astype(np.float64), power.astype(np.int32))
        magnitude = codes & ((1 << (self.exponent_bits + self.mantissa_bits)) - 1)
        value = np.where(magnitude > self.max_code, np.nan, value)
        if self.inf_code is not None:
            value = np.where(magnitude == self.inf_code, np.inf, value)
        return np.where(codes > magnitude, -value, value)

    def _encode(
        self, values: Float64s, policy: Policy, generator: np.random.Generator | None
    ) -> Codes:
        magnitude = np.where(np.isfinite(values), np.abs(values), 0.0)
        _, exponent = np.frexp(magnitude)
        power = np.maximum(exponent.astype(np.int64) - 1, 1 - self.bias)
        power = np.where(magnitude == 0.0, 1 - self.bias, power)
        # Exact: a power of two, and what becomes subnormal in float64 is far below any boundary.
        steps = np.ldexp(magnitude, (self.mantissa_bits - power).astype(np.int32))
        whole = np.floor(steps)
        # Codes are in order: a binade has 2**m of them, and the lowest two share their spacing.
        code = ((power - 1 + self.bias) << self.mantissa_bits) + whole.astype(np.int64)
        code += round_up(steps - whole, code & 1 == 1, policy, generator)
        beyond = np.isinf(values)
        if policy.overflow == "saturate":
            code = np.where(beyond, self.max_code, np.minimum(code, self.max_code))
        else:
            special = self.inf_code or self.nan_code or self.max_code
            # A finite value that is cut off toward zero never becomes infinite.
            cut = self.max_code if policy.rounding == "toward-zero" else special
            code = np.where(beyond, special, np.where(code > self.max_code, cut, code))
        negative = np.signbit(values) & (code != self.nan_code)
        if not policy.negative_zero:
            negative &= code != 0
        if self.signed:
            code = code | (negative.astype(np.int64) << (self.width - 1))
        else:
            below = self.nan_code if policy.overflow == "special" else None
            code = np.where(negative & (code != 0), below or 0, code)
        if self.nan_code is not None:
            code = np.where(np.isnan(values), self.nan_code, code)
        return code.astype(code_type(self.width))

    def __str__(self) -> str:
        """``e2m1``, ``bf16``, ``ue4m3``; a suffix says what is not usual: ``e4m3_ieee``."""
        name = f"{'' if self.signed else 'u'}e{self.exponent_bits}m{self.mantissa_bits}"
        name = _SHORT_NAMES.get(name, name)
        usual = self.specials == usual_specials(self.exponent_bits, self.mantissa_bits)
        return name if usual else f"{name}_{self.specials}"


_SHORT_NAMES = {"e8m7": "bf16", "e5m10": "fp16", "e8m23": "fp32"}


@lru_cache(maxsize=128)
def _values(form: FloatFormat) -> Float64s:
    table = form._decode(np.arange(1 << form.width))
    table.flags.writeable = False
    return table


@lru_cache(maxsize=32)
def _rounding_table(form: FloatFormat, policy: Policy) -> Codes:
    """The code of every upper half of an FP32 number; 65536 codes."""
    halves = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
    quiet = to_float(halves.view(np.float32), Policy(), form.nan_code is not None)
    return form._encode(quiet, policy, None)


@dataclass(frozen=True)
class PowerFormat:
    """E8M0: code b is 2**(b - 127) for b in 0..254, 255 is NaN; no sign, no zero.

    Zero and negative values become NaN; positive ones outside the range saturate, with
    ``overflow="special"`` large ones become NaN.
    """

    width: ClassVar[int] = 8
    nan_code: ClassVar[int] = 255
    max_code: ClassVar[int] = 254

    @property
    def limits(self) -> Limits:
        """All values are normal."""
        return Limits(2.0**-127, 2.0**127, 2.0**-127, 2.0**-127)

    def spacing(self, values: object) -> Float64s:
        """Distance from each positive value's binade to the next: the power of two below it."""
        array = np.asarray(values, dtype=np.float64)
        good = np.isfinite(array) & (array > 0)
        _, exponent = np.frexp(np.where(good, array, 1.0))
        return np.where(good, np.ldexp(1.0, np.clip(exponent - 1, -127, 127)), np.nan)

    def decode(self, codes: object) -> Float64s:
        """The values of ``codes`` (integers 0..255, any shape)."""
        found = check_codes(codes, 256, str(self)).astype(np.int32)
        return np.where(found == self.nan_code, np.nan, np.ldexp(1.0, found - 127))

    def encode(self, values: object, policy: Policy = DEFAULT) -> Codes:
        """The codes of real ``values`` of any shape; nearest is by distance, not by exponent."""
        array = to_float(values, policy, has_nan=True)
        good = np.isfinite(array) & (array > 0)
        significand, exponent = np.frexp(np.where(good, array, 1.0))
        code = exponent.astype(np.int64) - 1 + 127
        code += round_up(significand * 2 - 1, code & 1 == 1, policy, None)
        code = np.maximum(code, 0)
        special = policy.overflow == "special"
        cut = special and policy.rounding != "toward-zero"
        code = np.where(code > self.max_code, self.nan_code if cut else self.max_code, code)
        code = np.where(array == np.inf, self.nan_code if special else self.max_code, code)
        code = np.where(good | (array == np.inf), code, self.nan_code)
        return code.astype(np.uint8)

    def __str__(self) -> str:
        """``e8m0``."""
        return "e8m0"


BF16 = FloatFormat(8, 7, "ieee")
FP16 = FloatFormat(5, 10, "ieee")
FP32 = FloatFormat(8, 23, "ieee")
E8M0 = PowerFormat()
