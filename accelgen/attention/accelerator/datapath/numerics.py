"""The fixed-point formats inside the accelerator, from which every width follows."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.errors import InputError

__all__ = ["Numerics"]


@dataclass(frozen=True)
class Numerics:
    """Where the points lie.  All integers are two's complement.

    One operand of every multiplier has ``operand_bits``: queries with the scale folded in, then
    probabilities; the other ``element_bits``: keys, then values.  With ``q`` the folded query
    (grid ``2**-query_fraction``), ``k`` and ``v`` integers:

        score       s = q . k, base 2: sign, ``score_integer`` and ``score_fraction`` bits
        maximum     m = the least integer that no score so far is above
        probability p = 2**(s - m), ``operand_bits - 1`` fraction bits, by ``segments`` lines
        sum         O = O * 2**(m_old - m) + p . v, and the same of v = 1
        output      O / l on the grid ``2**-output_fraction`` of the grid of values

    The maximum is an integer, so that rescaling is a shift (as Softermax: arXiv 2103.09301).

    ``head_dim`` and ``value_dim`` are the longest vectors, ``rows`` the queries (and keys) of a
    tile, ``max_keys`` the most keys that one query may see.  ``segments`` is a power of two.
    ``key_width`` are the bits that keys use of ``element_bits`` (``None``: all): of narrower keys,
    queries are folded with fewer bits after the point, so that they do not overflow.

    Raises :class:`InputError` for widths outside what the datapath can be built with.
    """

    head_dim: int
    value_dim: int
    rows: int
    element_bits: int = 8
    operand_bits: int = 18
    score_integer: int = 11
    score_fraction: int = 10
    segments: int = 16
    max_keys: int = 1 << 17
    output_fraction: int = 16
    key_width: int | None = None

    OUTPUT_BITS = 32
    LINE_GUARD = 2
    """Fraction bits of the exponential beyond those of a probability."""
    DIVISOR_BITS = 18
    """Leading bits of the sum of probabilities that the division uses, and bits of its result."""
    GUARD = 2
    """Fraction bits of O beyond those of a probability when it is normalised."""

    def __post_init__(self) -> None:
        limits = {
            "head_dim": (1, 1024),
            "value_dim": (1, 1024),
            "rows": (2, 128),
            "element_bits": (4, 16),
            "operand_bits": (8, self.DIVISOR_BITS + 1),
            "score_integer": (4, 12),
            "score_fraction": (6, 16),
            "max_keys": (2, 1 << 24),
            "output_fraction": (0, self.OUTPUT_BITS - self.element_bits),
        }
        if self.key_width is not None:
            limits["key_width"] = (2, self.element_bits)
        for name, (least, most) in limits.items():
            _check_integer(name, getattr(self, name), least, most)
        _check_integer("segments", self.segments, 2, 1 << (self.score_fraction - 1))
        if self.segments & (self.segments - 1):
            raise InputError(f"{self.segments} is no power of two", where="segments", hint="use 16")
        if self.score_shift < 1:
            raise InputError(
                f"{self.score_fraction} fraction bits are more than products of"
                f" {self.operand_bits} and {self.key_width or self.element_bits} bits have",
                where="score_fraction",
                hint="use fewer, or wider operands",
            )

    @property
    def product_bits(self) -> int:
        """A product of the two operands."""
        return self.operand_bits + self.element_bits

    @property
    def accumulator_bits(self) -> int:
        """A sum of products over the head dimension, or over the keys of a tile."""
        terms = max(self.head_dim, self.rows)
        return self.product_bits - 1 + (terms - 1).bit_length() + 1

    @property
    def query_fraction(self) -> int:
        """Fraction bits of folded queries: the most with which no score overflows."""
        keys = self.element_bits if self.key_width is None else self.key_width
        magnitude = self.operand_bits + keys - 2 + (self.head_dim - 1).bit_length()
        return magnitude - self.score_integer

    @property
    def score_shift(self) -> int:
        """Bits that a sum of products loses, rounded half up, to become a score."""
        return self.query_fraction - self.score_fraction

    @property
    def score_bits(self) -> int:
        """A score: sign, integer, fraction."""
        return 1 + self.score_integer + self.score_fraction

    @property
    def maximum_bits(self) -> int:
        """The running maximum, up to 2**score_integer inclusive: sign and integer."""
        return self.score_integer + 2

    @property
    def probability_fraction(self) -> int:
        """Fraction bits of a probability; 1 itself saturates one unit below."""
        return self.operand_bits - 1

    @property
    def total_bits(self) -> int:
        """A sum of probabilities times values over all keys."""
        return self.product_bits - 1 + (self.max_keys - 1).bit_length()

    @property
    def shift_limit(self) -> int:
        """A rescaling by more bits than this leaves nothing but a sign."""
        return (1 << (self.total_bits - 1).bit_length()) - 1


def _check_integer(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{value!r} is no integer in {least}..{most}", where=name)
