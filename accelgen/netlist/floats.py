"""Fixed point to floating point, and FP32 sums, as primitives with places for registers."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.errors import InputError
from accelgen.formats import FloatFormat, IntFormat
from accelgen.netlist.graph import Builder, Edge, Home, Kind

__all__ = ["FP32_STEPS", "FixedToFloatPlan", "Word", "add_fixed_to_float", "add_fp32_sum"]

_MAX_WIDTH, _MAX_FRACTION = 640, 640

Word = tuple[tuple[str, int], ...]
"""Names and bits of the fields of a value, the first lowest."""


@dataclass(frozen=True)
class FixedToFloatPlan:
    """How ``x * 2**-fraction``, x an integer of ``width`` bits (2..640), becomes ``format``.

    ``format`` is signed and has Inf; ``fraction`` is -640..640.  Zeros below the magnitude give the
    mantissa its bits; zeros above keep the exponent of the top bit at least 1, so that subnormals
    need no right shift.  Raises :class:`InputError`.
    """

    width: int
    fraction: int
    format: FloatFormat

    def __post_init__(self) -> None:
        if not 2 <= self.width <= _MAX_WIDTH:
            raise InputError(
                f"a fixed-point number of {self.width} bits", hint=f"use 2..{_MAX_WIDTH} bits"
            )
        if abs(self.fraction) > _MAX_FRACTION:
            raise InputError(
                f"{self.fraction} fraction bits", hint=f"use -{_MAX_FRACTION}..{_MAX_FRACTION}"
            )
        if self.format.specials != "ieee" or not self.format.signed:
            raise InputError(f"{self.format} has no Inf", hint="use fp32, bf16 or fp16")

    @property
    def below(self) -> int:
        """Zeros below the magnitude."""
        return max(0, self.format.mantissa_bits + 1 - self.width)

    @property
    def above(self) -> int:
        """Zeros above it."""
        return max(0, 1 - (self.width - 1 - self.fraction + self.format.bias))

    @property
    def top_exponent(self) -> int:
        """The biased exponent of the top bit."""
        return self.width - 1 + self.above - self.fraction + self.format.bias

    @property
    def padded(self) -> int:
        """Bits of the magnitude with its zeros."""
        return self.below + self.width + self.above

    @property
    def amount_bits(self) -> int:
        """Bits of a count of leading zeros."""
        return max(1, (self.padded - 1).bit_length())

    @property
    def kept(self) -> int:
        """Bits of the normalised magnitude that rounding needs: with a guard and a sticky bit."""
        return min(self.padded, self.format.mantissa_bits + 3)

    @property
    def exponent_bits(self) -> int:
        """Bits of the exponent before it is limited."""
        return max(self.top_exponent.bit_length(), self.format.exponent_bits + 1)

    @property
    def size(self) -> Word:
        """Magnitude and sign."""
        return (("size", self.width), ("sign", 1))

    @property
    def normal(self) -> Word:
        """Normalised magnitude, exponent, sign."""
        return (("normal", self.kept), ("exponent", self.exponent_bits), ("sign", 1))

    @property
    def rounded(self) -> Word:
        """Exponent and mantissa, and the sign."""
        return (("rounded", self.exponent_bits + self.format.mantissa_bits + 1), ("sign", 1))


_FLAGS: Word = (("nan", 1), ("infinite", 1))
_SIGNS: Word = (("exponent", 8), ("sign", 1), *_FLAGS)
_OPERANDS: Word = (("significand", 24), ("aligned", 27), ("subtract", 1))
FP32_STEPS: tuple[tuple[Kind, Word], ...] = (
    ("fp_order", (("large", 32), ("small", 32))),
    ("fp_distance", (("large", 32), ("small", 32), ("amount", 5))),
    ("fp_align", (*_OPERANDS, *_SIGNS)),
    ("fp_add", (("total", 28), *_SIGNS)),
    ("fp_count", (("total", 28), ("amount", 5), *_SIGNS)),
    ("fp_normalise", (("normal", 28), ("exponent", 9), ("sign", 1), *_FLAGS)),
    ("fp_round", (("rounded", 33), ("sign", 1), *_FLAGS)),
    ("fp_select", (("code", 32),)),
)
"""The steps of an FP32 sum in order, and what each leaves to the next."""


def add_fixed_to_float(
    builder: Builder, home: Home, value: Edge, plan: FixedToFloatPlan, name: str = "float"
) -> int:
    """Add the code of a fixed-point ``value`` to ``home``; return its node.

    Rounded once to nearest even, beyond the largest value to Inf.  Nodes are called ``name_...``:
    magnitude, count of leading zeros, shift, increment, limit.
    """

    def add(kind: Kind, bits: int, *inputs: Edge) -> Edge:
        step = kind.removeprefix("float_")
        form = IntFormat(bits, signed=False)
        number = builder.add(kind, f"{name}_{step}", home, form, inputs, parameters=(plan,))
        return Edge(number, 0, "in")

    size = add("float_size", _bits(plan.size), value)
    zeros = add("float_zeros", plan.amount_bits, size)
    normal = add("float_normal", _bits(plan.normal), size, zeros)
    rounded = add("float_round", _bits(plan.rounded), normal)
    return add("float_limit", plan.format.width, rounded).source


def add_fp32_sum(builder: Builder, home: Home, a: Edge, b: Edge, name: str = "fp32") -> int:
    """Add the FP32 sum of two FP32 codes to ``home``; return its node, of 32 bits.

    Nodes are called ``name_...``, one for each of :data:`FP32_STEPS`.
    """
    inputs = [a, b]
    for kind, word in FP32_STEPS:
        step = kind.removeprefix("fp_")
        form = IntFormat(_bits(word), signed=False)
        inputs = [Edge(builder.add(kind, f"{name}_{step}", home, form, inputs), 0, "in")]
    return inputs[0].source


def _bits(word: Word) -> int:
    return sum(bits for _, bits in word)
