"""Arithmetic units, alone or inside a generated array.

Each is an Amaranth component; :mod:`accelgen.golden` has a bit-exact model of each.
"""

from accelgen.rtl.arithmetic.bf16_mac import Bf16MultiplyAccumulate, Bf16Product
from accelgen.rtl.arithmetic.bit_serial import BitSerialDot
from accelgen.rtl.arithmetic.block_dot import BlockDot
from accelgen.rtl.arithmetic.composable_mac import ComposableMac
from accelgen.rtl.arithmetic.element_products import ElementDot
from accelgen.rtl.arithmetic.fixed_to_float import FixedToFloat
from accelgen.rtl.arithmetic.fp32_adder import Fp32Adder
from accelgen.rtl.arithmetic.integer_dot import IntegerDot
from accelgen.rtl.arithmetic.multi_format import (
    MultiFormatDot,
    MultiFormatProduct,
    MultiFormatScale,
)
from accelgen.rtl.arithmetic.multiply_accumulate import MultiplyAccumulate
from accelgen.rtl.arithmetic.scale_product import ScaleProduct

__all__ = [
    "Bf16MultiplyAccumulate",
    "Bf16Product",
    "BitSerialDot",
    "BlockDot",
    "ComposableMac",
    "ElementDot",
    "FixedToFloat",
    "Fp32Adder",
    "IntegerDot",
    "MultiFormatDot",
    "MultiFormatProduct",
    "MultiFormatScale",
    "MultiplyAccumulate",
    "ScaleProduct",
]
