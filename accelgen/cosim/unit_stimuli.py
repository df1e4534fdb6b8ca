"""What the bench offers to a block dot-product unit: sums of blocks, with gaps between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelgen.golden.block_pair import BlockOperand, BlockPair
from accelgen.golden.elements import Element

__all__ = ["UnitPhase", "make_unit_phases"]

Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class UnitPhase:
    """Sums of as many cycles each: codes, sums x cycles x lanes; scales, sums x cycles.

    ``gaps`` are cycles without elements before each cycle of each sum.  ``eager`` holds elements
    before the unit is ready for them.
    """

    name: str
    a: Codes
    b: Codes
    a_scales: Codes
    b_scales: Codes
    gaps: Codes
    eager: bool = False

    @property
    def cycles(self) -> int:
        """Cycles of a sum."""
        return int(self.a.shape[1])


def make_unit_phases(
    pair: BlockPair, longest: int, seed: int, *, limited: bool
) -> Iterator[UnitPhase]:
    """All phases in order; the same ``seed`` gives the same numbers.

    ``longest`` is the number of cycles of the longest sum; ``limited``, whether more are too many.
    """
    rng = np.random.default_rng(seed)
    sides = (pair.a, pair.b)

    def phase(
        name: str,
        codes: list[Codes],
        scales: list[Codes],
        *,
        gaps: bool = False,
        eager: bool = True,
    ) -> UnitPhase:
        shape = scales[0].shape
        wait = np.where(rng.random(shape) < 0.5, rng.integers(0, 4, shape), 0)
        wait = wait if gaps else np.zeros_like(wait)
        return UnitPhase(name, codes[0], codes[1], scales[0], scales[1], wait, eager)

    def codes_of(n: int, cycles: int) -> list[Codes]:
        return [_random(rng, side, (n, cycles, pair.lanes)) for side in sides]

    def scales_of(n: int, cycles: int) -> list[Codes]:
        return [rng.choice(_good(side), (n, cycles)) for side in sides]

    def largest(n: int, cycles: int) -> list[Codes]:
        return [np.full((n, cycles), _largest(side)) for side in sides]

    few = min(8, longest)
    yield phase("random", codes_of(150, few), scales_of(150, few))
    yield phase("gaps", codes_of(80, few), scales_of(80, few), gaps=True, eager=False)
    yield phase("single cycles", codes_of(300, 1), scales_of(300, 1))
    for cycles in sorted({min(n, longest) for n in (2, 3, 5, 13)}):
        name = f"sums of {cycles}"
        yield phase(name, codes_of(20, cycles), scales_of(20, cycles), gaps=True)
    extremes = [_extremes(side) for side in sides]
    shape = (40, few, pair.lanes)
    yield phase("extremes", [rng.choice(e, shape) for e in extremes], largest(40, few))
    yield phase("maxima", [np.full(shape, e[0]) for e in extremes], largest(40, few))
    minus = [np.full(shape, _minus_zero(side)) for side in sides]
    yield phase("minus zero", minus, largest(40, few))
    a = np.full(shape, extremes[0][0])
    a[..., (np.arange(few)[:, None] + np.arange(pair.lanes)) % 2 == 1] = extremes[0][1]
    yield phase("cancellation", [a, np.full(shape, extremes[1][0])], largest(40, few))
    yield phase("longest", codes_of(2, longest), scales_of(2, longest))
    most = [np.full((1, longest, pair.lanes), e[0]) for e in extremes]
    yield phase("longest maxima", most, largest(1, longest))
    if limited:
        # Zeros in the cycle that is too many, so that the sum itself has room.
        over = [np.pad(codes, ((0, 0), (0, 1), (0, 0))) for codes in codes_of(2, longest)]
        yield phase("too long", over, scales_of(2, longest + 1), gaps=True)
    scales = scales_of(60, few)
    for side, found in zip(sides, scales, strict=True):
        wrong = rng.random(found.shape) < 0.05
        found[wrong] = rng.choice(_bad(side), int(wrong.sum()))
    scales[0][:4] = rng.choice(_good(pair.a), (4, few))
    scales[1][:4] = rng.choice(_good(pair.b), (4, few))
    yield phase("bad scales", codes_of(60, few), scales, gaps=True)
    if pair.has_specials:
        codes = [rng.integers(0, 1 << s.element.width, (60, few, pair.lanes)) for s in sides]
        yield phase("Inf and NaN", codes, scales_of(60, few))


def _random(rng: np.random.Generator, side: BlockOperand, shape: tuple[int, ...]) -> Codes:
    """Any finite codes."""
    element = side.element
    codes = np.arange(1 << element.width)
    if isinstance(element, Element) and element.has_specials:
        codes = codes[~element.specials()]
    return rng.choice(codes, shape)


def _extremes(side: BlockOperand) -> tuple[int, int]:
    """The codes of the largest and of the smallest number, of an adaptive format's floats."""
    values = side.element.values()[0]
    return int(np.argmax(values)), int(np.argmin(values))


def _minus_zero(side: BlockOperand) -> int:
    """The sign alone: minus zero, or of two's complement the number that is its own negative."""
    return 1 << (side.element.width - 1)


def _good(side: BlockOperand) -> Codes:
    whole, _ = side.scales()
    return np.flatnonzero(whole != 0)


def _bad(side: BlockOperand) -> Codes:
    return np.flatnonzero(side.scales()[1])


def _largest(side: BlockOperand) -> int:
    whole = side.scales()[0]
    return int(np.argmax(whole[:128] if side.scale_range is None else whole))
