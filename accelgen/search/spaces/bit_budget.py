"""Bits of all layers by one gene: a budget, and the best allocation within it.

Costs and sensitivities of layers add up, so that the allocation of least sensitivity within a
budget of cost is exact (:mod:`accelgen.bits`): a search decides how much to spend and not on which
layer.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from accelgen.accuracy.source import LayerBits
from accelgen.bits.front import Part, trade_off
from accelgen.bits.table import BitTable
from accelgen.names import FrozenMap
from accelgen.search.spaces.formats import check_formats, narrowest_first
from accelgen.search.vector import Gene, Reader, Vector

__all__ = ["BitBudget", "BudgetSpace", "Trade"]

_STARTS = (1.0, 0.5, 0.0)
_ROUNDING = 1e-9


@dataclass(frozen=True)
class BitBudget:
    """Between the cheapest allocation (``share`` 0) and the dearest (1), even in the logarithm of
    the cost; of formats ``weights`` and ``activations``.
    """

    share: float
    weights: tuple[str, ...]
    activations: tuple[str, ...]

    @property
    def offered(self) -> tuple[LayerBits, ...]:
        """All pairs of formats."""
        return tuple(LayerBits(w, a) for w in self.weights for a in self.activations)


@dataclass(frozen=True)
class BudgetSpace:
    """Budgets for formats of ``weights`` and ``activations`` (names, kept with the fewest bits
    first).

    Raises :class:`accelgen.errors.InputError` where there is nothing to choose from.
    """

    weights: tuple[str, ...] = ("int2", "int4", "int8")
    activations: tuple[str, ...] = ("uint2", "uint4", "uint8")

    def __post_init__(self) -> None:
        check_formats(self.weights, self.activations)
        object.__setattr__(self, "weights", narrowest_first(self.weights))
        object.__setattr__(self, "activations", narrowest_first(self.activations))

    @property
    def genes(self) -> tuple[Gene, ...]:
        """See :class:`accelgen.search.space.Space`."""
        return (Gene("budget", "cost of the bits of all layers, from the least to the most"),)

    @property
    def reference(self) -> BitBudget:
        """No limit: the widest formats."""
        return BitBudget(1.0, self.weights, self.activations)

    @property
    def starts(self) -> tuple[Vector, ...]:
        """The most, the middle and the least."""
        return tuple((at,) for at in _STARTS)

    def decode(self, vector: Sequence[float]) -> BitBudget:
        """The budget of a vector."""
        reader = Reader.of(self.genes, vector)
        return BitBudget(reader.values["budget"], self.weights, self.activations)


@dataclass(frozen=True)
class Trade:
    """The non-dominated allocations of the layers ``names``, by rising cost."""

    names: tuple[str, ...]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, table: BitTable) -> Trade:
        """All of them, exactly; raises as :func:`accelgen.bits.front.trade_off`."""
        return cls(tuple(layer.name for layer in table.layers), trade_off(table))

    def within(self, budget: BitBudget) -> FrozenMap[str, LayerBits]:
        """The formats of least sensitivity within a budget."""
        costs = [cost for cost, _, _ in self.parts]
        low, high = max(costs[0], 1e-300), max(costs[-1], 1e-300)
        limit = low * math.exp(budget.share * math.log(high / low))
        number = bisect_right(costs, limit * (1.0 + _ROUNDING)) - 1
        _, _, bits = self.parts[max(number, 0)]
        return FrozenMap(zip(self.names, bits, strict=True))
