"""HAQ's way to meet a budget: bits are taken away step by step, from the last layer backwards.

Wang et al.: HAQ, arXiv 1811.08886, section 3.3, in the order of its released code
(github.com/mit-han-lab/haq): in a pass over the layers from the last to the first, activations of a
layer go one step down, then its weights; passes repeat until the cost is within the budget.
"""

from __future__ import annotations

from collections.abc import Mapping

from accelgen.accuracy.source import LayerBits
from accelgen.bits.table import Allocation, BitTable, LayerOptions, element_bits
from accelgen.errors import InfeasibleError

__all__ = ["decrement"]


def decrement(table: BitTable, start: Mapping[str, LayerBits], cost: float) -> Allocation:
    """Lower ``start`` until its cost is at most ``cost``.

    A step goes to the widest narrower format that is offered with the other operand as it is; a
    layer without one stays as it is.  Raises :class:`InfeasibleError` when nothing is left to
    lower.
    """
    found = table.allocation(start)
    bits = dict(found.bits)
    while found.cost > cost:
        before = dict(bits)
        for layer in reversed(table.layers):
            for operand in ("activations", "weights"):
                bits[layer.name] = _lower(layer, bits[layer.name], operand)
                found = table.allocation(bits)
                if found.cost <= cost:
                    return found
        if bits == before:
            raise InfeasibleError(
                f"{found.cost:.6g} with nothing left to lower, beyond the budget of {cost:.6g}",
                where=table.measure,
                hint=f"allow {found.cost:.6g}, or offer narrower formats",
            )
    return found


def _lower(layer: LayerOptions, bits: LayerBits, operand: str) -> LayerBits:
    own = element_bits(getattr(bits, operand))
    other = "weights" if operand == "activations" else "activations"
    narrower = [
        option.bits
        for option in layer.options
        if getattr(option.bits, other) == getattr(bits, other)
        and element_bits(getattr(option.bits, operand)) < own
    ]
    return max(narrower, key=lambda one: element_bits(getattr(one, operand)), default=bits)
