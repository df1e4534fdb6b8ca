"""Bits per layer: exact allocation under a budget, HAQ's and uniform baselines, sensitivities."""

from accelgen.accuracy.source import LayerBits
from accelgen.bits.allocate import cheapest, least_sensitive, verify
from accelgen.bits.costs import bit_costs
from accelgen.bits.front import front
from accelgen.bits.haq import decrement
from accelgen.bits.sensitivity import accuracy_losses, output_errors
from accelgen.bits.table import Allocation, BitTable, LayerOptions, Option
from accelgen.bits.uniform import uniform, uniform_within

__all__ = [
    "Allocation",
    "BitTable",
    "LayerBits",
    "LayerOptions",
    "Option",
    "accuracy_losses",
    "bit_costs",
    "cheapest",
    "decrement",
    "front",
    "least_sensitive",
    "output_errors",
    "uniform",
    "uniform_within",
    "verify",
]
