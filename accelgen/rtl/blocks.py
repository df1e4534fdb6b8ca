"""What the top levels of kernels over block formats have in common: bad codes, rounding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

import numpy as np
from amaranth.hdl import C, Module, Mux, Value
from amaranth.lib import wiring

from accelgen.affine.blocks import BlockProduct, role
from accelgen.affine.multi import MultiProduct
from accelgen.fabric.layout import Layout
from accelgen.golden.block_pair import BlockOperand
from accelgen.golden.elements import Element
from accelgen.golden.multi_format import MULTI_FORMATS
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
    format: Value | None = None,
) -> Value:
    """Whether a loader has written a code that is no number, since reset.

    ``inputs`` are the tensor, in lower case, the layout and the loader of every input; ``format``
    is that of the packets that come in, where problems choose one.
    """
    seen = []
    for number, (tensor, layout, loader) in enumerate(inputs):
        side, has_scales = role(number)
        lanes = 1 if has_scales else product.pair.lanes
        for name, codes, values in _kinds(product, side, has_scales):
            watched = f"watch_{tensor}{name}"
            watch = library.instance(CodeWatch(layout, lanes, codes), watched)
            m.submodules[watched] = watch
            enable: Value = loader.write.enable
            if format is not None:
                enable = Mux(reduce(or_, (format == value for value in values)), enable, 0)
            m.d.comb += watch.enable.eq(enable)
            m.d.comb += [
                taken.eq(given) for taken, given in zip(watch.data, loader.write.data, strict=True)
            ]
            seen.append(watch.seen)
    return reduce(or_, seen, C(0))


def _kinds(
    product: BlockProduct, side: int, has_scales: bool
) -> list[tuple[str, list[int], list[int]]]:
    """The distinct sets of codes that are no numbers: the end of a name, the codes, and the
    numbers of the formats of which they are (none where there is no choice).
    """
    if not isinstance(product, MultiProduct):
        codes = _bad_codes((product.pair.a, product.pair.b)[side])[has_scales]
        return [("", codes, [])] if codes else []
    kinds: dict[tuple[int, ...], list[int]] = {}
    for number, format in enumerate(MULTI_FORMATS):
        operand = product.operand(format, side)
        codes = _bad_codes(operand)[has_scales] if operand is not None else []
        if codes:
            kinds.setdefault(tuple(codes), []).append(number)
    return [
        (f"_{MULTI_FORMATS[numbers[0]]}", list(codes), numbers) for codes, numbers in kinds.items()
    ]


def rounded(
    m: Module,
    library: UnitLibrary,
    rounding: Pipeline | None,
    lanes: int,
    bus_bits: int,
    exact: wiring.PureInterface,
    name: str,
    format: Value | None = None,
) -> wiring.PureInterface:
    """The stream of sums of ``lanes`` lanes once rounded; as it is without ``rounding``.

    ``format`` is that of the beat that is offered, where problems choose one.
    """
    if rounding is None:
        return exact
    bits = len(format) if format is not None else 0
    rounder = library.instance(Rounder(rounding, lanes, bus_bits, library, bits), f"rounder_{name}")
    m.submodules[f"rounder_{name}"] = rounder
    if format is not None:
        m.d.comb += rounder.format.eq(format)
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
