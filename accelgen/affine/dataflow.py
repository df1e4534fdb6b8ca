"""Where and when it is computed: space axes, time loops, the affine map between, the skew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from accelgen.affine.expr import Affine, Term, parse_affine
from accelgen.errors import InputError
from accelgen.names import FrozenMap, check_name, shorten, unknown, within

__all__ = ["Dataflow", "TimeLoop"]

MAX_AXES = 3
MAX_UNITS = 16384
MAX_TIME_LOOPS = 12
MAX_EXTENT = 2**31 - 1
MAX_SKEW = 1024

TimeLoop = str | tuple[str, int] | Mapping[str, int]
"""A time loop: its name, or its name with a given extent."""


@dataclass(frozen=True)
class Dataflow:
    """The layout of a workload in space and time.

    ``space``: extent per space axis, one to three axes, at most 16384 units.
    ``time``: the time loops, outermost first; an entry may carry its extent (``("k1", 4)`` or
    ``{"k1": 4}``), else the extent follows from the bounds and the map.
    ``map``: per workload loop, an affine expression over axes and time loops, in which
    ``size(x)`` is the extent of an axis, a time loop or a workload loop (looked up in that
    order).  A workload loop without an entry is the axis or time loop of the same name.
    ``skew``: cycles by which a step along each axis delays a unit (negative: advances), 0 when
    not given; ``"broadcast"`` is 0 and ``"systolic"`` 1 on every axis.
    ``chain``: per stationary tensor, the axis its load or drain chain runs along, or ``None``.

    Raises :class:`InputError` for anything that is not such a layout.
    """

    space: Mapping[str, int]
    time: Sequence[TimeLoop]
    map: Mapping[str, str] = field(default_factory=lambda: FrozenMap[str, str]())
    skew: Mapping[str, int] | str = field(default_factory=lambda: FrozenMap[str, int]())
    chain: Mapping[str, str | None] = field(default_factory=lambda: FrozenMap[str, str | None]())

    def __post_init__(self) -> None:
        with within("space"):
            space = _checked_space(self.space)
        with within("time"):
            time = _checked_time(self.time, space)
        names = (*space, *(_loop_name(loop) for loop in time))
        with within("map"):
            maps = _checked_map(self.map, names)
        with within("skew"):
            skew = _checked_skew(self.skew, space)
        with within("chain"):
            chain = _checked_chain(self.chain, space)
        for name, value in zip(
            ("space", "time", "map", "skew", "chain"), (space, time, maps, skew, chain), strict=True
        ):
            object.__setattr__(self, name, value)

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the space axes."""
        return tuple(self.space)

    @property
    def time_loops(self) -> tuple[str, ...]:
        """The names of the time loops, outermost first."""
        return tuple(_loop_name(loop) for loop in self.time)

    @property
    def given_extents(self) -> dict[str, int]:
        """The extents of the time loops that carry one."""
        return {loop[0]: int(loop[1]) for loop in self.time if isinstance(loop, tuple)}

    @property
    def skews(self) -> tuple[int, ...]:
        """The skew along each axis."""
        assert isinstance(self.skew, Mapping)
        return tuple(self.skew[axis] for axis in self.space)

    def expression(self, loop: str) -> Affine:
        """The map of a workload loop: as given, else the axis or time loop of its name."""
        if loop in self.map:
            return parse_affine(self.map[loop])
        if loop in self.space or loop in self.time_loops:
            return Affine((Term(1, (), loop),))
        raise InputError(
            f"workload loop {loop} is not mapped",
            where="map",
            hint=f"add a map for {loop}, or a time loop or axis named {loop}",
        )

    def check_names(self, loops: Sequence[str], tensors: Sequence[str]) -> None:
        """Raise :class:`InputError` when a name is neither here nor in the workload."""
        for loop in self.map:
            if loop not in loops:
                raise _at("map", unknown(loop, "workload loop", loops))
        for loop in loops:
            for size in self.expression(loop).sizes:
                known = (*self.space, *self.time_loops, *loops)
                if size not in known:
                    raise _at("map", unknown(size, "loop or axis in size()", known))
        for tensor in self.chain:
            if tensor not in tensors:
                raise _at("chain", unknown(tensor, "tensor", tensors))


def _at(where: str, error: InputError) -> InputError:
    error.where = where
    return error


def _loop_name(loop: TimeLoop) -> str:
    assert not isinstance(loop, Mapping)
    return loop if isinstance(loop, str) else loop[0]


def _extent(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"{name}: {shorten(value)} is no integer")
    if not 1 <= value <= MAX_EXTENT:
        raise InputError(f"{name}: {value} is outside 1..{MAX_EXTENT}")
    return int(value)


def _checked_space(space: object) -> FrozenMap[str, int]:
    if not isinstance(space, Mapping):
        raise InputError("a mapping from axes to extents expected", hint="space: {i: 8, j: 8}")
    checked = {check_name(axis, "axis"): _extent(axis, n) for axis, n in space.items()}
    if not 1 <= len(checked) <= MAX_AXES:
        raise InputError(f"{len(checked)} axes: 1 to {MAX_AXES} are supported")
    if prod(checked.values()) > MAX_UNITS:
        raise InputError(f"{prod(checked.values())} units, beyond {MAX_UNITS}", hint="shrink it")
    return FrozenMap(checked)


def _checked_time(time: object, space: Mapping[str, int]) -> tuple[str | tuple[str, int], ...]:
    if isinstance(time, str) or not isinstance(time, Sequence):
        raise InputError("a list of loops expected, outermost first", hint="time: [m1, n1, k]")
    checked: list[str | tuple[str, int]] = []
    for loop in time:
        if isinstance(loop, Mapping) and len(loop) == 1:
            loop = next(iter(loop.items()))
        if isinstance(loop, tuple) and len(loop) == 2:
            name = check_name(loop[0], "time loop")
            checked.append((name, _extent(name, loop[1])))
        else:
            checked.append(check_name(loop, "time loop"))
        name = _loop_name(checked[-1])
        if name in space:
            raise InputError(f"{name} is both a time loop and a space axis", hint="rename one")
        if name in [_loop_name(other) for other in checked[:-1]]:
            raise InputError(f"time loop {name} appears twice", hint="rename one")
    if not 1 <= len(checked) <= MAX_TIME_LOOPS:
        raise InputError(
            f"{len(checked)} time loops: 1 to {MAX_TIME_LOOPS} are supported",
            hint="a design without one takes a loop of extent 1, {t: 1}" if not checked else None,
        )
    return tuple(checked)


def _checked_map(maps: object, names: Sequence[str]) -> FrozenMap[str, str]:
    if not isinstance(maps, Mapping):
        raise InputError("a mapping from loops to expressions expected", hint="map: {m: m1 + i}")
    checked = {}
    for loop, text in maps.items():
        check_name(loop, "workload loop")
        with within(loop):
            if isinstance(text, int) and not isinstance(text, bool):
                text = str(text)
            if not isinstance(text, str):
                raise InputError(f"{shorten(text)} is no expression")
            expression = parse_affine(text)
            for name in expression.names:
                if name not in names:
                    raise unknown(name, "time loop or axis", names)
        checked[loop] = str(expression)
    return FrozenMap(checked)


def _checked_skew(skew: object, space: Mapping[str, int]) -> FrozenMap[str, int]:
    if isinstance(skew, str):
        if skew not in ("broadcast", "systolic"):
            raise InputError(f"unknown skew {shorten(skew)}", hint="use broadcast or systolic")
        return FrozenMap(dict.fromkeys(space, int(skew == "systolic")))
    if not isinstance(skew, Mapping):
        raise InputError("a mapping from axes to cycles expected", hint="skew: {i: 1, j: 1}")
    for axis, cycles in skew.items():
        if axis not in space:
            raise unknown(str(axis), "axis", space)
        if isinstance(cycles, bool) or not isinstance(cycles, int | np.integer):
            raise InputError(f"{axis}: {shorten(cycles)} is no integer")
        if abs(int(cycles)) > MAX_SKEW:
            raise InputError(f"{axis}: {cycles} is outside -{MAX_SKEW}..{MAX_SKEW}")
    return FrozenMap({axis: int(skew.get(axis, 0)) for axis in space})


def _checked_chain(chain: object, space: Mapping[str, int]) -> FrozenMap[str, str | None]:
    if not isinstance(chain, Mapping):
        raise InputError("a mapping from tensors to axes expected", hint="chain: {Y: j}")
    checked: dict[str, str | None] = {}
    for tensor, axis in chain.items():
        check_name(tensor, "tensor")
        if axis is not None and axis not in space:
            raise unknown(str(axis), "axis", (*space, "none"))
        checked[tensor] = axis
    return FrozenMap(checked)
