"""Integer equations of data reuse: which units, at which times, touch the same element."""

from accelgen.reuse.links import Link, candidate_links, spatial_links
from accelgen.reuse.schedule import Schedule, chain_pads, hold_level

__all__ = ["Link", "Schedule", "candidate_links", "chain_pads", "hold_level", "spatial_links"]
