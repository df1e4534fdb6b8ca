"""Every number format by name."""

from __future__ import annotations

import re
from functools import cache

from accelgen.errors import InputError
from accelgen.formats.adaptive import AdaptiveFormat
from accelgen.formats.block import BlockFormat, ElementFormat, ScaleFormat
from accelgen.formats.floating import (
    BF16,
    E8M0,
    FP16,
    FP32,
    FloatFormat,
    usual_specials,
)
from accelgen.formats.integer import IntFormat, SignMagnitudeFormat
from accelgen.formats.microscaling import MicroscalingFormat
from accelgen.formats.tensor_scaled import UE4M3, FourOverSixFormat, TensorScaledFormat
from accelgen.names import unknown

__all__ = ["Format", "block_format", "format_names", "get_format"]

Format = ElementFormat | ScaleFormat | BlockFormat

_SUFFIXED = re.compile(r"(e[2-8]m[0-9]{1,2})_(finite|nan|ieee)")


def _float(exponent_bits: int, mantissa_bits: int) -> FloatFormat:
    return FloatFormat(exponent_bits, mantissa_bits, usual_specials(exponent_bits, mantissa_bits))


@cache
def _registry() -> dict[str, Format]:
    """All names, in the order in which they are listed."""
    e2m0, e2m1, e2m3, e3m2 = _float(2, 0), _float(2, 1), _float(2, 3), _float(3, 2)
    e4m3, e5m2 = _float(4, 3), _float(5, 2)
    int4, sm6 = IntFormat(4, symmetric=True), SignMagnitudeFormat(6)
    elements: list[ElementFormat | ScaleFormat] = [
        *(IntFormat(bits) for bits in range(1, 17)),
        *(IntFormat(bits, signed=False) for bits in range(1, 17)),
        *(SignMagnitudeFormat(bits) for bits in (3, 6)),
        *(_float(e, m) for e in range(2, 6) for m in range(11)),
        BF16,
        FP32,
        E8M0,
        UE4M3,
    ]
    blocks: list[BlockFormat] = [
        MicroscalingFormat("mxfp4", e2m1, 32),
        MicroscalingFormat("mxfp6_e2m3", e2m3, 32),
        MicroscalingFormat("mxfp6_e3m2", e3m2, 32),
        MicroscalingFormat("mxfp8_e4m3", e4m3, 32),
        MicroscalingFormat("mxfp8_e5m2", e5m2, 32),
        MicroscalingFormat("mxint8", IntFormat(8), 32),
        TensorScaledFormat("nvfp4", e2m1, 16),
        FourOverSixFormat("nvfp4_4over6", e2m1, 16),
        TensorScaledFormat("nvint4", int4, 16),
        AdaptiveFormat("if4", e2m1, 16, integer=int4),
        AdaptiveFormat("if3", e2m0, 16, integer=SignMagnitudeFormat(3), ties_to_zero=True),
        AdaptiveFormat("if6_e2m3", e2m3, 16, integer=sm6),
        AdaptiveFormat("if6_e3m2", e3m2, 16, integer=sm6),
    ]
    return {str(form): form for form in [*elements, *blocks]} | {"e5m10": FP16, "e8m7": BF16}


def format_names() -> tuple[str, ...]:
    """All registered names."""
    return tuple(_registry())


def get_format(name: str) -> Format:
    """The format called ``name``: ``int4``, ``e2m1``, ``bf16``, ``e8m0``, ``nvfp4``, ...

    ``e3m4_ieee``, ``e4m3_finite`` and ``e3m2_nan`` replace a float's special values.  Raises
    :class:`InputError`, with the nearest name, when there is none.
    """
    found = _registry().get(name)
    if found is not None:
        return found
    suffixed = _SUFFIXED.fullmatch(name)
    base = _registry().get(suffixed[1]) if suffixed else None
    if suffixed and isinstance(base, FloatFormat):
        match suffixed[2]:
            case "finite":
                return FloatFormat(base.exponent_bits, base.mantissa_bits, "finite")
            case "nan":
                return FloatFormat(base.exponent_bits, base.mantissa_bits, "nan")
            case _:
                return FloatFormat(base.exponent_bits, base.mantissa_bits, "ieee")
    raise unknown(name, "format", format_names())


def block_format(name: str) -> BlockFormat:
    """The block format called ``name``; :class:`InputError` for other formats as well."""
    found = get_format(name)
    if not isinstance(found, BlockFormat):
        names = [n for n in format_names() if isinstance(get_format(n), BlockFormat)]
        raise InputError(f"{name} is no block format", hint=f"known: {', '.join(names)}")
    return found
