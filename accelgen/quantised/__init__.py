"""Networks in integers: what they are, how they are made, how they are run."""

from accelgen.quantised.graph import IMAGE, QuantisedLayer, QuantisedNetwork

__all__ = ["IMAGE", "QuantisedLayer", "QuantisedNetwork"]
