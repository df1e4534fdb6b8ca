"""Tensors between AXI4-Streams and banked, double-buffered memories.

A :class:`Loader` fills the pages of an :class:`InputBuffer`; a :class:`Collector` empties those
of an :class:`OutputBuffer`.  Compute sees elements relative to a moving index, never addresses
of its own.
"""

from accelgen.rtl.streams.adder import StreamAdder
from accelgen.rtl.streams.bank import AccumulatorBank, Bank
from accelgen.rtl.streams.collector import Collector
from accelgen.rtl.streams.input_buffer import InputBuffer
from accelgen.rtl.streams.loader import Loader
from accelgen.rtl.streams.output_buffer import OutputBuffer
from accelgen.rtl.streams.ports import axi_stream

__all__ = [
    "AccumulatorBank",
    "Bank",
    "Collector",
    "InputBuffer",
    "Loader",
    "OutputBuffer",
    "StreamAdder",
    "axi_stream",
]
