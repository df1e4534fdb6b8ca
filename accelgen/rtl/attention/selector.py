"""The top-k selector for a shape."""

from __future__ import annotations

from accelgen.attention.accelerator.datapath.topk import SelectorShape
from accelgen.rtl.attention.insertion import InsertionSelector
from accelgen.rtl.attention.radix import RadixSelector
from accelgen.rtl.library import UnitLibrary

__all__ = ["Selector", "make_selector", "selector_name"]

Selector = InsertionSelector | RadixSelector


def selector_name(shape: SelectorShape) -> str:
    """What the unit of a shape is called."""
    return (
        f"{shape.kind}_selector_{shape.max_k}of{shape.max_scores}"
        f"_{shape.score_bits}b_{shape.width_in}"
    )


def make_selector(shape: SelectorShape, library: UnitLibrary) -> Selector:
    """One more selector of ``shape``, of the kind that suits ``shape.max_k``.

    Assign the result to ``m.submodules`` and connect ``scores`` and ``selected`` (see
    ``selector_ports``); cycles are those of
    :func:`accelgen.attention.accelerator.datapath.topk.selector_cycles`.
    """
    selector: Selector
    if shape.kind == "insertion":
        selector = InsertionSelector(shape)
    else:
        selector = RadixSelector(shape, library)
    return library.instance(selector, selector_name(shape))
