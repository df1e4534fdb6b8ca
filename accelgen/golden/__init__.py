"""Bit-exact models of the arithmetic units, vectorised in NumPy.

They compute what the hardware must, by other means: integers, tables and the machine's own
floating point.
"""

from accelgen.golden.floating import fixed_to_float, fp32_add
from accelgen.golden.integer import accumulate, composable_terms, serial_terms, wrap

__all__ = [
    "accumulate",
    "composable_terms",
    "fixed_to_float",
    "fp32_add",
    "serial_terms",
    "wrap",
]
