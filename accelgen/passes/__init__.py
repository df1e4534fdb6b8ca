"""Passes over the netlist, in the order in which they run."""

from accelgen.passes.delay_matching import Pipeline, least_latency, match_delays

__all__ = ["Pipeline", "least_latency", "match_delays"]
