"""Number formats of tensors: integers, floats, scales and blocks, bit for bit.

``get_format("nvfp4")`` is a format by name.  Element formats encode and decode arrays;
block formats quantise tensors:

>>> import numpy as np
>>> get_format("e2m1").decode(range(8)).tolist()
[0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
>>> tensor = block_format("nvfp4").quantise(np.arange(20.0))
>>> tensor.codes[:8].tolist(), tensor.scales.tolist()
([0, 1, 2, 2, 3, 4, 4, 5], [123, 126])
"""

from accelgen.formats.adaptive import AdaptiveFormat
from accelgen.formats.block import BlockFormat, QuantisedTensor
from accelgen.formats.floating import FloatFormat, PowerFormat
from accelgen.formats.integer import IntFormat, SignMagnitudeFormat, parse_format
from accelgen.formats.metrics import Comparison, Errors, compare, errors
from accelgen.formats.microscaling import MicroscalingFormat
from accelgen.formats.packing import pack_codes, unpack_codes
from accelgen.formats.policy import Limits, Policy
from accelgen.formats.registry import Format, block_format, format_names, get_format
from accelgen.formats.scaled import ScaledFormat
from accelgen.formats.tensor_scaled import FourOverSixFormat, TensorScaledFormat

__all__ = [
    "AdaptiveFormat",
    "BlockFormat",
    "Comparison",
    "Errors",
    "FloatFormat",
    "Format",
    "FourOverSixFormat",
    "IntFormat",
    "Limits",
    "MicroscalingFormat",
    "Policy",
    "PowerFormat",
    "QuantisedTensor",
    "ScaledFormat",
    "SignMagnitudeFormat",
    "TensorScaledFormat",
    "block_format",
    "compare",
    "errors",
    "format_names",
    "get_format",
    "pack_codes",
    "parse_format",
    "unpack_codes",
]
