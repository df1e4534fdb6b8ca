"""Bit-exact models of the arithmetic units, vectorised in NumPy.

They compute what the hardware must, by other means: integers, tables and the machine's own
floating point.
"""

from accelgen.golden.blocks import block_dot, block_sum, block_unit, dot_products, scale_products
from accelgen.golden.elements import AdaptiveElement, Element, element_of
from accelgen.golden.floating import fixed_to_float, fp32_add
from accelgen.golden.integer import accumulate, composable_terms, serial_terms, wrap

__all__ = [
    "AdaptiveElement",
    "Element",
    "accumulate",
    "block_dot",
    "block_sum",
    "block_unit",
    "composable_terms",
    "dot_products",
    "element_of",
    "fixed_to_float",
    "fp32_add",
    "scale_products",
    "serial_terms",
    "wrap",
]
