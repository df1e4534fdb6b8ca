"""Registers between the steps of a computation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise

from amaranth.hdl import Module, Signal, Value

from accelgen.errors import InputError

__all__ = ["Stages", "choose_cuts"]


def choose_cuts(delays: Sequence[int], stages: int) -> frozenset[int]:
    """After which of the steps to place ``stages`` registers.

    ``delays`` are those of the steps.  Of all choices, one whose largest delay between registers,
    inputs and outputs is smallest; of several, the latest.

    Raises:
        InputError: there are not that many places.
    """
    if not 0 <= stages <= len(delays):
        raise InputError(f"{stages} pipeline stages", hint=f"use 0..{len(delays)}")

    def longest(cuts: Iterable[int]) -> int:
        ends = [-1, *cuts, len(delays) - 1]
        return max(sum(delays[i + 1 : j + 1]) for i, j in pairwise(ends))

    choices = [tuple(cuts) for cuts in combinations(range(len(delays)), stages)]
    return frozenset(min(choices, key=lambda cuts: (longest(cuts), [-cut for cut in cuts])))


class Stages:
    """Names the values of a module, and registers those that cross a cut.

    The registers are not reset: what is in them counts when the values that came with it did.
    """

    def __init__(self, m: Module, delays: Sequence[int], stages: int) -> None:
        self._m = m
        self._cuts = choose_cuts(delays, stages)

    def after(self, step: int, **values: Value) -> list[Value]:
        """The values at the beginning of the next step, in the order given."""
        return list(self.after_all(step, values).values())

    def after_all(self, step: int, values: Mapping[str, Value]) -> dict[str, Value]:
        """The values at the beginning of the next step, by name."""
        return {name: self._pass(step, name, value) for name, value in values.items()}

    def _pass(self, step: int, name: str, value: Value) -> Value:
        registered = step in self._cuts
        signal = Signal(value.shape(), name=f"{name}_{step}", reset_less=registered)
        (self._m.d.sync if registered else self._m.d.comb).__iadd__(signal.eq(value))
        return signal
