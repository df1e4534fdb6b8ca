"""Formats that a source of accuracy without bits can speak for."""

from __future__ import annotations

from collections.abc import Mapping

from accelgen.accuracy.source import LayerBits
from accelgen.errors import InputError
from accelgen.formats import BlockFormat, get_format

__all__ = ["check_wide", "is_wide"]

LEAST_BITS = 8


def is_wide(name: str) -> bool:
    """Whether elements have 8 bits or more, and are not in blocks."""
    form = get_format(name)
    return not isinstance(form, BlockFormat) and form.width >= LEAST_BITS


def check_wide(bits: Mapping[str, LayerBits], source: str) -> None:
    """Raise :class:`InputError` when a layer has elements of fewer than 8 bits, or blocks: what
    ``source`` knows is the accuracy of a network that was not quantised.
    """
    for layer, one in bits.items():
        for name in (one.weights, one.activations):
            if not is_wide(name):
                raise InputError(
                    f"it knows nothing of {name} in {layer}",
                    where=source,
                    hint="use 8 bits or more, or a source that measures quantised networks",
                )
