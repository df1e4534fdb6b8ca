"""What the top levels of kernels over block formats have in common: bad codes, rounding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

import numpy as np
from amaranth.hdl import C, Module, Value
from amaranth.lib import wiring

from accelgen.affine.blocks import BlockProduct, role
from accelgen.fabric.layout import Layout
from accelgen.golden.block_pair import BlockOperand
from accelgen.golden.elements import Element
from accelgen.passes.delay_matching import Pipeline
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.loader import Loader
from accelgen.rtl.streams.rounder import Rounder
from accelgen.rtl.streams.watch import CodeWatch

__all__ = ["rounded", "watch_codes"]


def watch_codes(
    m: Module,
    library: UnitLibrary,
    product: BlockProduct,
    inputs: Sequence[tuple[str, Layout, Loader]],
) -> Value:
    """Whether a loader has written a code that is no number, since reset.

    ``inputs`` are the tensor, in lower case, the layout and the loader of every input.
    """
    pair, seen = product.pair, []
    bad = [codes for side in (pair.a, pair.b) for codes in _bad_codes(side)]
    for number, ((tensor, layout, loader), codes) in enumerate(zip(inputs, bad, strict=True)):
        if not codes:
            continue
        lanes = 1 if role(number)[1] else pair.lanes
        watch = library.instance(CodeWatch(layout, lanes, codes), f"watch_{tensor}")
        m.submodules[f"watch_{tensor}"] = watch
        m.d.comb += watch.enable.eq(loader.write.enable)
        m.d.comb += [
            taken.eq(given) for taken, given in zip(watch.data, loader.write.data, strict=True)
        ]
        seen.append(watch.seen)
    return reduce(or_, seen, C(0))


def rounded(
    m: Module,
    library: UnitLibrary,
    rounding: Pipeline | None,
    lanes: int,
    bus_bits: int,
    exact: wiring.PureInterface,
    name: str,
) -> wiring.PureInterface:
    """The stream of sums of ``lanes`` lanes once rounded; as it is without ``rounding``."""
    if rounding is None:
        return exact
    rounder = library.instance(Rounder(rounding, lanes, bus_bits, library), f"rounder_{name}")
    m.submodules[f"rounder_{name}"] = rounder
    wiring.connect(m, exact, rounder.exact)
    stream: wiring.PureInterface = rounder.stream
    return stream


def _bad_codes(operand: BlockOperand) -> tuple[list[int], list[int]]:
    """The codes of elements and of scales that are no numbers."""
    element = operand.element
    specials: list[int] = []
    if isinstance(element, Element) and element.has_specials:
        specials = np.flatnonzero(element.specials()).tolist()
    return specials, np.flatnonzero(operand.scales()[1]).tolist()
