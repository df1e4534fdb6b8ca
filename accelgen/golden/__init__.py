"""Bit-exact models of the arithmetic units, vectorised in NumPy.

They compute what the hardware must, by other means: integers, tables and the machine's own
floating point.
"""

from accelgen.golden.bf16 import bf16_accumulate, bf16_product
from accelgen.golden.block_pair import BlockPair
from accelgen.golden.blocks import (
    block_specials,
    block_terms,
    dot_products,
    exact_dot,
    fp32_dot,
    scale_products,
)
from accelgen.golden.elements import AdaptiveElement, Element, element_of
from accelgen.golden.floating import fixed_to_float, fp32_add
from accelgen.golden.integer import accumulate, composable_terms, serial_terms, wrap
from accelgen.golden.multi_format import (
    MULTI_FORMATS,
    multi_format_dot,
    multi_format_fraction,
    multi_format_sum,
)
from accelgen.golden.output_stage import OutputStage, output_stage

__all__ = [
    "MULTI_FORMATS",
    "AdaptiveElement",
    "BlockPair",
    "Element",
    "OutputStage",
    "accumulate",
    "bf16_accumulate",
    "bf16_product",
    "block_specials",
    "block_terms",
    "composable_terms",
    "dot_products",
    "element_of",
    "exact_dot",
    "fixed_to_float",
    "fp32_add",
    "fp32_dot",
    "multi_format_dot",
    "multi_format_fraction",
    "multi_format_sum",
    "output_stage",
    "scale_products",
    "serial_terms",
    "wrap",
]
