"""Points that are alike: the figures of one are those of the others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from accelgen.cache import digest
from accelgen.errors import AccelgenError, InputError
from accelgen.hardware import Hardware
from accelgen.hardware.alike import canonical
from accelgen.names import FrozenMap
from accelgen.store import Json, Store
from accelgen.sweep.evaluate import hardware_of, objective_of, uneven_of
from accelgen.sweep.fields import Value, kind_of
from accelgen.sweep.sweep import Point

__all__ = ["Group", "alike_key", "grouped", "records_of", "settled"]

_ARRAY = "array."
_ABOUT = ("attention", "formats", "parameters")
"""Kinds of fields that are no hardware."""
_KEPT = 1 << 12
"""Hardware kept, without the fields of its array."""

_known: dict[str, tuple[Hardware, str] | None] = {}


@dataclass(frozen=True)
class Group:
    """Points that are alike; who claims ``key`` evaluates the first of them for all."""

    key: str
    points: tuple[Point, ...]


def grouped(points: Iterable[Point]) -> list[Group]:
    """The points in groups, groups and the points of each in their order."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(alike_key(point), []).append(point)
    return [Group(key, tuple(alike)) for key, alike in found.items()]


def alike_key(point: Point) -> str:
    """The same key, in any sweep, for points with the same figures: their hardware is alike
    (:func:`accelgen.hardware.alike.canonical`), network, formats, parameters, pattern of
    attention, objective and whether mappings may be uneven are the same.

    It is the point's own key when there is no such hardware, and when its objective leaves out
    energy or latency: of several best mappings, any may be found.
    """
    given: dict[str, Value] = {}
    if "array" not in point.values:
        given = {k: v for k, v in point.values.items() if k.startswith(_ARRAY)}
    found = _without(given, point)
    if found is None:
        return point.key
    hardware, about = found
    array = {**hardware.array}
    for field, extent in given.items():
        axis = field.removeprefix(_ARRAY)
        if axis not in array or not isinstance(extent, int):
            return point.key
        array[axis] = extent
    try:
        return digest((about, repr(canonical(replace(hardware, array=FrozenMap(array))))))
    except InputError:
        return point.key


def _without(array: Mapping[str, Value], point: Point) -> tuple[Hardware, str] | None:
    """The hardware of a point without these fields, and a digest of what is not hardware.

    To build hardware takes longer than all the rest, and nothing else of it depends on them.
    """
    values = {k: v for k, v in point.values.items() if k not in array}
    network = point.sources.networks[str(values["network"])].digest
    machine = point.sources.hardware[str(values["hardware"])].digest
    key = digest((point.sources.common, machine, network, json.dumps(values)))
    if key not in _known:
        if len(_known) == _KEPT:
            _known.clear()
        _known[key] = _built(replace(point, values=FrozenMap(values)), network)
    return _known[key]


def _built(point: Point, network: str) -> tuple[Hardware, str] | None:
    # Only here, because what is compiled is slow to import.
    from accelgen.mapper.search import exponents_of

    try:
        hardware, exponents = hardware_of(point), exponents_of(objective_of(point))
        uneven = uneven_of(point)
    except AccelgenError:
        return None
    rest = {k: v for k, v in point.values.items() if kind_of(k) in _ABOUT}
    about = digest((network, json.dumps([exponents, uneven, rest], sort_keys=True)))
    return (hardware, about) if all(exponents) else None


def settled(group: Group, store: Store) -> tuple[list[tuple[str, Json]], list[Group]]:
    """What follows from what is known of a group: records of others, by key, and the groups that
    are left to evaluate.
    """
    left = tuple(point for point in group.points if point.key not in store)
    known = [store.get(point.key) for point in group.points if point.key in store]
    for record in known:
        assert isinstance(record, Mapping)
        if records := records_of(left, record):
            return records, []
    if known:
        return [], [Group(point.key, (point,)) for point in left]
    return [], [replace(group, points=left)]


def records_of(points: Iterable[Point], record: Mapping[str, Json]) -> list[tuple[str, Json]]:
    """The records of points alike to one, by key; none of an error, whose text is about one."""
    if "error" in record:
        return []
    return [(point.key, {**record, "seconds": 0.0}) for point in points]
