"""Passes over the netlist, in the order in which they run."""

from accelgen.passes.delay_matching import Pipeline, match_delays

__all__ = ["Pipeline", "match_delays"]
