"""Passes over the netlist: see :mod:`accelgen.passes.order`."""

from accelgen.passes.delay_matching import Pipeline, common_period, least_latency, match_delays
from accelgen.passes.order import PASSES, check_names, place_registers, records, rewrite

__all__ = [
    "PASSES",
    "Pipeline",
    "check_names",
    "common_period",
    "least_latency",
    "match_delays",
    "place_registers",
    "records",
    "rewrite",
]
