"""What becomes of sums on their way out: bias, requantisation, residual, clip, pooling, packing.

:mod:`accelgen.golden.output_stage` says what is computed; :class:`OutputStage` puts the parts
together.
"""

from accelgen.rtl.output_stage.form import StageForm
from accelgen.rtl.output_stage.packer import Packer
from accelgen.rtl.output_stage.parameters import Parameters
from accelgen.rtl.output_stage.pooling import Pooling
from accelgen.rtl.output_stage.requantise import Requantise
from accelgen.rtl.output_stage.scale import Scale
from accelgen.rtl.output_stage.spread import Spread
from accelgen.rtl.output_stage.stage import OutputStage

__all__ = [
    "OutputStage",
    "Packer",
    "Parameters",
    "Pooling",
    "Requantise",
    "Scale",
    "Spread",
    "StageForm",
]
