"""Elastic spaces by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature

from accelgen.elastic.digits import DigitsSpace
from accelgen.elastic.hat import Hat
from accelgen.elastic.nas_bench_macro import NasBenchMacro
from accelgen.elastic.ofa_mobilenet_v3 import OfaMobileNetV3
from accelgen.elastic.ofa_resnet50 import OfaResNet50
from accelgen.elastic.space import ElasticSpace
from accelgen.names import FrozenMap, unknown, within

__all__ = ["SPACES", "elastic_space", "list_spaces"]

SPACES: Mapping[str, Callable[..., ElasticSpace]] = FrozenMap(
    {
        "digits": DigitsSpace,
        "hat_wmt_en_de": Hat,
        "nas_bench_macro": NasBenchMacro,
        "ofa_mobilenet_v3": OfaMobileNetV3,
        "ofa_resnet50": OfaResNet50,
    }
)
"""What makes a space, by its name; keyword parameters of it are those of the space."""


def list_spaces() -> tuple[str, ...]:
    """The names of the spaces, sorted."""
    return tuple(sorted(SPACES))


def elastic_space(name: str, parameters: Mapping[str, int | float] | None = None) -> ElasticSpace:
    """The space of that name with ``parameters`` (all others as published).

    Raises :class:`InputError` with the nearest name when there is none, and for values that the
    space does not take.
    """
    if name not in SPACES:
        raise unknown(name, "elastic space", SPACES)
    make = SPACES[name]
    given = dict(parameters or {})
    with within(name):
        for key in given:
            if key not in signature(make).parameters:
                raise unknown(key, "parameter", signature(make).parameters)
        return make(**given)
