"""Searches of networks, bits and kernels together."""

from __future__ import annotations

from accelgen.digits.supernet import BITS
from accelgen.elastic.digits import DigitsSpace
from accelgen.errors import InputError
from accelgen.names import shorten, unknown, within
from accelgen.realize.estimate import PARTS, check_technology
from accelgen.realize.kernel import MULTIPLIERS, weight_formats
from accelgen.search.load.values import (
    Values,
    check_keys,
    constraints_of,
    effort_of,
    integer_of,
    integers_of,
    mapping_of,
    names_of,
    number_of,
    objectives_of,
)
from accelgen.search.search import Search
from accelgen.search.space import Joint
from accelgen.search.spaces.bit_budget import BudgetSpace
from accelgen.search.spaces.kernels import KernelSpace
from accelgen.search.spaces.networks import ArchitectureSpace, BitsSpace
from accelgen.search.subjects.digits import DigitsSubject

__all__ = ["KEYS", "search_of_digits"]

KEYS = (
    "name", "network", "accuracy", "bits", "hardware", "technology", "period_ns", "objectives",
    "constraints", "optimiser", "population", "evaluations", "seed",
)  # fmt: skip
_ACTIVATIONS = tuple(f"uint{bits}" for bits in BITS)
_BITS_BY = ("layers", "budget")
_KERNELS = ("space", "units", "dimensions", "sizes", "multipliers", "buses")


def search_of_digits(values: Values) -> Search:
    """A search of networks, bits and kernels together."""
    check_keys(values, KEYS, "key of a search with a network")
    with within("network"):
        network = mapping_of(values["network"], "write {space: digits}")
        if network.get("space") == "digits":
            check_keys(network, ("space",))
        else:
            raise InputError(
                f"{shorten(network)} is not searched with kernels",
                hint="network: {space: digits}; others: hardware: {space: importance, ...}",
            )
    if str(values.get("accuracy", "measured")) != "measured":
        raise InputError(
            f"{shorten(values['accuracy'])}", where="accuracy", hint="of digits, it is measured"
        )
    space = DigitsSpace()
    with within("bits"):
        given = mapping_of(values.get("bits", {}))
        bits = _bits(given, tuple(layer.name for layer in space.layers(space.largest)))
    with within("hardware"):
        kernels = _kernels(mapping_of(values.get("hardware", {})))
    subject = DigitsSubject(
        str(values.get("technology", "sg13g2")),
        number_of(values.get("period_ns", 5.0), "period_ns"),
        bits.weights,
    )
    _check_formats(bits, kernels)
    with within("technology"):
        check_technology(subject.technology, kernels.multipliers)
    parts = [f"energy_{part}_uj" for part in (*PARTS, "leakage")]
    objectives = objectives_of(values, ("accuracy", "latency", "energy"), ("accuracy", *parts))
    return Search(
        str(values["name"]),
        Joint({"hardware": kernels, "network": ArchitectureSpace(space), "bits": bits}),
        subject,
        objectives,
        constraints_of(values),
        **effort_of(values, "nsga2"),
    )


def _bits(values: Values, layers: tuple[str, ...]) -> BitsSpace | BudgetSpace:
    check_keys(values, ("by", "weights", "activations"))
    by = str(values.get("by", "layers"))
    if by not in _BITS_BY:
        error = unknown(by, "way to bits", _BITS_BY)
        error.where = "by"
        raise error
    formats = {key: tuple(names_of(x)) for key, x in values.items() if key != "by"}
    for name in formats.get("activations", ()):
        if name not in _ACTIVATIONS:
            raise InputError(
                f"the networks are not trained for {name}",
                where="activations",
                hint=f"use {_ACTIVATIONS[0]} .. {_ACTIVATIONS[-1]}",
            )
    if by == "layers":
        return BitsSpace(layers, **formats)
    for name in formats.get("weights", ()):
        if name not in weight_formats("plain"):
            raise InputError(
                f"{name} has no cost in words of elements", where="weights", hint="by: layers"
            )
    return BudgetSpace(**formats)


def _check_formats(bits: BitsSpace | BudgetSpace, kernels: KernelSpace) -> None:
    """That there are formats for every kind of multiplier, and multipliers for every format."""
    for kind in kernels.multipliers:
        if not set(bits.weights) & set(weight_formats(kind)):
            raise InputError(
                f"none of {', '.join(bits.weights)} is taken by {kind} multipliers",
                where="bits: weights",
                hint=f"add {weight_formats(kind)[0]}, or leave {kind} out",
            )
    for name in bits.weights:
        if not any(name in weight_formats(kind) for kind in kernels.multipliers):
            kinds = [kind for kind in MULTIPLIERS if name in weight_formats(kind)]
            raise InputError(
                f"{name} is taken by none of {', '.join(kernels.multipliers)} multipliers",
                where="bits: weights",
                hint=f"add {' or '.join(kinds)} to the multipliers"
                if kinds
                else "use int2 .. int8, or a block format of a multiplier",
            )


def _kernels(values: Values) -> KernelSpace:
    check_keys(values, _KERNELS)
    if str(values.get("space", "kernels")) != "kernels":
        raise InputError(
            f"{shorten(values['space'])}", where="space", hint="networks that run need kernels"
        )
    default = KernelSpace()
    return KernelSpace(
        integer_of(values, "units", default.units),
        integers_of(values, "dimensions", default.dimensions),
        integers_of(values, "sizes", default.sizes),
        tuple(names_of(values.get("multipliers", list(default.multipliers)))),
        integers_of(values, "buses", default.buses),
    )
