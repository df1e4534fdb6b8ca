"""The values the bench fills a stream with: integers, or codes of elements and scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.blocks import BlockProduct, role
from accelgen.affine.composed import ComposedProduct
from accelgen.formats import IntFormat
from accelgen.golden.block_pair import BlockOperand
from accelgen.golden.elements import Element
from accelgen.manifest import Manifest, StreamSpec

__all__ = ["Fill", "Stimuli", "stimuli_at", "stimuli_of"]

Values = NDArray[np.int64]

Fill = Literal["any", "least", "greatest", "extreme"]
"""Which values a packet has: any valid ones, all the least, all the greatest, or a mix of these."""


@dataclass(frozen=True, eq=False)
class Stimuli:
    """Values for one stream, as they are packed.

    ``valid`` are all that count as numbers, ``extreme`` the least and the greatest of each kind,
    the greatest last; ``zeros`` those that mean zero without being the code 0; ``bad`` codes that
    are no numbers.
    """

    valid: tuple[int, int] | Values
    extreme: Values
    zeros: Values
    bad: Values

    @property
    def least(self) -> int:
        """The most negative value; of scales the smallest."""
        return int(self.extreme[0])

    @property
    def greatest(self) -> int:
        """The largest value."""
        return int(self.extreme[-1])

    def draw(self, rng: np.random.Generator, count: int) -> Values:
        """Values drawn uniformly from the valid ones."""
        if isinstance(self.valid, tuple):
            return rng.integers(*self.valid, count, np.int64, endpoint=True)
        return rng.choice(self.valid, count)

    def packet(self, rng: np.random.Generator, stream: StreamSpec, fill: Fill = "any") -> Values:
        """The values of a packet of ``stream``, in a row."""
        if fill == "any":
            return self.draw(rng, stream.elements)
        if fill == "extreme":
            return rng.choice(self.extreme, stream.elements)
        # The scales of blocks stay large: the most negative sums, or the largest of both minima.
        least = fill == "least" and stream.kind != "scales"
        return np.full(stream.elements, self.least if least else self.greatest)


def stimuli_of(
    manifest: Manifest, product: BlockProduct | ComposedProduct | None
) -> dict[str, Stimuli]:
    """The stimuli of every input stream, by operand."""
    return {
        stream.operand: stimuli_at(number, product, stream.number)
        for number, stream in enumerate(manifest.inputs)
    }


def stimuli_at(
    number: int,
    product: BlockProduct | ComposedProduct | None,
    form: IntFormat,
    format: str = "",
) -> Stimuli:
    """The stimuli of the input of a number, whose values are those of ``form`` if they are no codes
    of a block format; ``format`` is that of a product of several.
    """
    if not isinstance(product, BlockProduct):
        return _integers(form, composed=product is not None)
    side, has_scales = role(number)
    operand = product.operand(format, side)
    if operand is None:
        return _integers(form, composed=False)
    return _scales(operand) if has_scales else _elements(operand)


def _integers(form: IntFormat, *, composed: bool) -> Stimuli:
    low, high = form.min, form.max
    extreme = [low, high]
    if composed:
        # Of all widths, the least and the greatest: sign bits alone, and all but the sign bits.
        extreme = [0x80808080, 0x88888888, 0xAAAAAAAA, 0, high, 0x55555555, 0x77777777, 0x7F7F7F7F]
    return Stimuli((low, high), _values(extreme), _values([]), _values([]))


def _elements(operand: BlockOperand) -> Stimuli:
    element = operand.element
    kinds = element.values()
    specials = np.zeros(kinds.shape[1], dtype=np.bool_)
    if isinstance(element, Element) and element.has_specials:
        specials = element.specials()
    extreme = [int(kind.argmin()) for kind in kinds] + [int(kind.argmax()) for kind in kinds[::-1]]
    zeros = [code for code in range(1, kinds.shape[1]) if kinds[0][code] == 0]
    return Stimuli(
        np.flatnonzero(~specials),
        _values(extreme),
        _values([code for code in zeros if not specials[code]]),
        np.flatnonzero(specials),
    )


def _scales(operand: BlockOperand) -> Stimuli:
    whole, bad = operand.scales()
    codes = [code for code in range(len(whole)) if not bad[code]]
    kinds = [[c for c in codes if c < 128], codes] if operand.is_adaptive else [codes]
    ends = [min(kinds[0], key=lambda c: int(whole[c]) or 1 << 64)]
    ends += [max(kind, key=lambda c: int(whole[c])) for kind in reversed(kinds)]
    zeros = [code for code in codes if code and not whole[code]]
    return Stimuli(_values(codes), _values(ends), _values(zeros), np.flatnonzero(bad))


def _values(items: Sequence[int]) -> Values:
    return np.array(items, dtype=np.int64)
