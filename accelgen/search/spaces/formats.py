"""Formats that are offered to layers: checked, and in an order that does not depend on a file's."""

from __future__ import annotations

from collections.abc import Sequence

from accelgen.bits.table import element_bits
from accelgen.errors import InputError
from accelgen.names import within

__all__ = ["check_formats", "narrowest_first"]


def check_formats(weights: Sequence[str], activations: Sequence[str]) -> None:
    """Raise :class:`InputError` where there is nothing to choose from, and for a name that is no
    format.
    """
    for where, names in (("weights", weights), ("activations", activations)):
        with within(where):
            if not names:
                raise InputError("no format", hint="give one at least")
            for name in names:
                element_bits(name)


def narrowest_first(names: Sequence[str]) -> tuple[str, ...]:
    """The formats by the bits of an element, equal ones in the order given."""
    return tuple(sorted(names, key=element_bits))
