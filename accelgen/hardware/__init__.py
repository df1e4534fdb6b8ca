"""Hardware descriptions: what a network is simulated on."""

from accelgen.hardware.load import (
    hardware_from,
    hardware_of_kernel,
    hardware_values,
    list_hardware,
    load_hardware,
    parse_hardware,
)
from accelgen.hardware.model import Dataflow, Hardware, Level, Memory

__all__ = [
    "Dataflow",
    "Hardware",
    "Level",
    "Memory",
    "hardware_from",
    "hardware_of_kernel",
    "hardware_values",
    "list_hardware",
    "load_hardware",
    "parse_hardware",
]
