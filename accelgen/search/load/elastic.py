"""Searches of published elastic networks, formats per layer and hardware together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.accuracy.predicted import OfaPredictor, load_ofa_predictor
from accelgen.accuracy.source import AccuracySource
from accelgen.accuracy.tabular import TabularAccuracy, load_nas_bench_macro, load_table
from accelgen.accuracy.user import load_function
from accelgen.accuracy.wide import is_wide
from accelgen.elastic.digits import DigitsSpace
from accelgen.elastic.nas_bench_macro import NasBenchMacro
from accelgen.elastic.registry import elastic_space
from accelgen.elastic.space import ElasticSpace
from accelgen.errors import InputError
from accelgen.hardware.words import ANY_FORMAT
from accelgen.names import FrozenMap, shorten, unknown, within
from accelgen.networks.elastic_file import elastic_parameters
from accelgen.search.load.hardware import about, roles_in, space_of
from accelgen.search.load.values import (
    Values,
    check_keys,
    constraints_of,
    effort_of,
    integers_of,
    mapping_of,
    names_of,
    objectives_of,
)
from accelgen.search.search import Search
from accelgen.search.space import Joint
from accelgen.search.spaces.fixed import FixedSpace
from accelgen.search.spaces.hardware import HardwareSpace
from accelgen.search.spaces.networks import ArchitectureSpace
from accelgen.search.spaces.offered_bits import OfferedBits, layers_of
from accelgen.search.spaces.sizing import SizingSpace
from accelgen.search.subjects.elastic import ElasticSubject

__all__ = ["KEYS", "accuracy_of", "is_elastic", "search_of_elastic"]

KEYS = (
    "name", "network", "accuracy", "bits", "hardware", "objectives", "constraints", "minimise",
    "optimiser", "population", "evaluations", "seed",
)  # fmt: skip
_SOURCES = ("predicted", "table", "nas_bench_macro", "function")
_WHERE = (
    "accuracy: {predicted: ofa_acc_predictor.pth}, {table: file.csv}, {nas_bench_macro: file.json} "
    "or {function: 'module:function'}"
)
_MACRO = "nas-bench-macro_cifar10.json is at github.com/xiusu/NAS-Bench-Macro"
_PREDICTOR = "OFA's are at hanlab18.mit.edu/files/OnceForAll/tutorial"


def is_elastic(values: Values) -> bool:
    """Whether a search with a ``network`` is judged by the cost model, not on kernels that run."""
    network, hardware = values.get("network"), values.get("hardware")
    if isinstance(hardware, dict) and "space" in hardware:
        return str(hardware["space"]) != "kernels"
    return isinstance(network, dict) and network.get("space") != "digits"


def search_of_elastic(values: Values, folder: Path) -> Search:
    """A search of architectures, formats and hardware; files are looked for in ``folder``.

    Raises :class:`InputError`.
    """
    check_keys(values, KEYS, "key of a search of an elastic space")
    with within("network"):
        network = mapping_of(values["network"], "write {space: ofa_mobilenet_v3}")
        if "space" not in network:
            raise InputError("no space", hint="network: {space: ofa_mobilenet_v3}")
        named = str(network["space"])
        parameters = elastic_parameters({k: v for k, v in network.items() if k != "space"})
        space = elastic_space(named, parameters)
    with within("accuracy"):
        accuracy = accuracy_of(values.get("accuracy"), space, folder)
    layers = layers_of(space)
    with within("hardware"):
        given = mapping_of(values.get("hardware", {}))
        hardware = space_of(given, roles_in(layers.values()), folder)
    with within("bits"):
        weights, activations = _formats(
            mapping_of(values.get("bits", {})), hardware, signed=accuracy.kind != "measured"
        )
        has_weights = {name: layer.weights is not None for name, layer in layers.items()}
        alike = isinstance(accuracy, TabularAccuracy) and accuracy.has_formats
        if isinstance(accuracy, TabularAccuracy | OfaPredictor) and not alike:
            _check_wide((*weights, *activations), accuracy)
        offered = OfferedBits(has_weights, weights, activations, alike)
    objectives = objectives_of(values, ("accuracy", "latency", "energy"), ("accuracy",))
    constraints = constraints_of(values)
    subject = ElasticSubject(
        named,
        accuracy,
        offered,
        FrozenMap(parameters),
        tuple(limit for limit in constraints if limit.metric == "accuracy"),
        cast("Any", str(values.get("minimise", "edp"))),
        about(hardware),
    )
    several = len(objectives) > 1
    known = accuracy.architectures if isinstance(accuracy, TabularAccuracy) else ()
    networks = ArchitectureSpace(space, known)
    return Search(
        str(values["name"]),
        Joint({"hardware": hardware, "network": networks, "bits": offered}),
        subject,
        objectives,
        constraints,
        **effort_of(values, "nsga2" if several else "cma_es"),
    )


def accuracy_of(given: object, space: ElasticSpace, folder: Path) -> AccuracySource:
    """The source of accuracy that the key ``accuracy`` names, or is (in Python).

    Raises :class:`InputError`.
    """
    if callable(getattr(given, "accuracy", None)):
        return cast("AccuracySource", given)
    if given == "measured" or (given is None and isinstance(space, DigitsSpace)):
        if space != DigitsSpace():
            raise InputError(f"{space.name} has no weights to measure", hint=_WHERE)
        return MeasuredDigits()
    if not isinstance(given, dict):
        raise InputError(
            "where is it from?" if given is None else f"{shorten(given)} is no source", hint=_WHERE
        )
    kinds = [key for key in given if key in _SOURCES]
    known = (*_SOURCES, "resolutions") if "predicted" in kinds else _SOURCES
    for key in given:
        if key not in known:
            raise unknown(str(key), "source of accuracy", known)
    if len(kinds) != 1:
        raise InputError(f"{len(kinds)} sources", hint=_WHERE)
    kind, named = kinds[0], str(given[kinds[0]])
    with within(kind):
        if kind == "function":
            return load_function(named)
        path = folder / named
        if not path.is_file():
            hints = {"nas_bench_macro": _MACRO, "predicted": _PREDICTOR}
            raise InputError(
                "there is no such file", where=str(path),
                hint=hints.get(kind, f"with columns {space.choices[0].name}, ..., accuracy"),
            )  # fmt: skip
        if kind == "table":
            return load_table(path, space)
        if kind == "predicted":
            return load_ofa_predictor(path, space, integers_of(given, "resolutions", ()) or None)
        if space != NasBenchMacro():
            raise InputError(f"is not of this {space.name}", hint="{space: nas_bench_macro}")
        return load_nas_bench_macro(path)


def _check_wide(offered: Sequence[str], accuracy: AccuracySource) -> None:
    """Raise where a source that knows no formats would reject those that are offered."""
    for name in offered:
        if not is_wide(name):
            hint = "offer 8 bits or more"
            if accuracy.kind == "tabular":
                hint += ", or give the table columns weights and activations"
            raise InputError(f"{accuracy.source} knows nothing of {name}", hint=hint)


def _formats(
    given: Values, hardware: HardwareSpace | SizingSpace | FixedSpace, *, signed: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those offered for weights and activations: without any, what the only kind of units
    multiplies, and int8 where there are several (activations of networks that are run: uint8).
    """
    check_keys(given, ("weights", "activations"))
    macs = hardware.baseline.macs
    if isinstance(hardware, HardwareSpace) and hardware.macs:
        macs = hardware.plain_formats
    pair = {name.strip() for name in macs[0].split("*")}
    own = "int8" if len(macs) > 1 or len(pair) > 1 or ANY_FORMAT in pair else min(pair)
    default = {"weights": own, "activations": own if signed else "uint8"}
    weights, activations = (tuple(names_of(given.get(key, [default[key]]))) for key in default)
    return weights, activations
