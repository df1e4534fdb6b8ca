"""The same formats in all layers, as a baseline."""

from __future__ import annotations

from accelgen.accuracy.source import LayerBits
from accelgen.bits.table import Allocation, BitTable, LayerOptions, element_bits
from accelgen.errors import InfeasibleError

__all__ = ["uniform", "uniform_within"]


def uniform(table: BitTable, bits: LayerBits) -> Allocation:
    """``bits`` in every layer that offers them; in one that does not (the ends, where they are
    kept wide) the narrowest offered that are as wide in both operands, else the widest.
    """
    return table.allocation({layer.name: _nearest(layer, bits) for layer in table.layers})


def uniform_within(table: BitTable, cost: float) -> Allocation:
    """The uniform allocation of most bits whose cost is at most ``cost``; of those with as many
    bits the one of least sensitivity, then of least cost.

    Raises :class:`InfeasibleError` when there is none.
    """
    offered = dict.fromkeys(option.bits for layer in table.layers for option in layer.options)
    found = [(bits, uniform(table, bits)) for bits in offered]
    within = [(bits, one) for bits, one in found if one.cost <= cost]
    if not within:
        least = min(one.cost for _, one in found)
        raise InfeasibleError(
            f"uniform formats take {least:.6g} at least, beyond the budget of {cost:.6g}",
            where=table.measure,
            hint=f"allow {least:.6g}, or allocate formats layer by layer",
        )
    return min(within, key=lambda pair: (-_width(pair[0]), pair[1].sensitivity, pair[1].cost))[1]


def _nearest(layer: LayerOptions, bits: LayerBits) -> LayerBits:
    offered = [option.bits for option in layer.options]
    if bits in offered:
        return bits
    wide = [
        one
        for one in offered
        if element_bits(one.weights) >= element_bits(bits.weights)
        and element_bits(one.activations) >= element_bits(bits.activations)
    ]
    return min(wide, key=_width) if wide else max(offered, key=_width)


def _width(bits: LayerBits) -> int:
    return element_bits(bits.weights) + element_bits(bits.activations)
