"""Elastic spaces of networks."""

from accelgen.elastic.space import Choice, ElasticSpace

__all__ = ["Choice", "ElasticSpace"]
