"""Passes over the netlist, in the order in which they run."""

from accelgen.passes.delay_matching import Pipeline, common_period, least_latency, match_delays

__all__ = ["Pipeline", "common_period", "least_latency", "match_delays"]
