"""The array of a candidate: its axes, which loops they run, what stays in the units.

*Importance* encoding (NAAS, arXiv 2105.13258): a number per role of loops; sorted, the largest are
run in space, in that order one per axis, then a second one per axis, and so on.  *Index* encoding,
its baseline: one number for the place in the list of all such choices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from accelgen.affine.roles import LOOP_ROLES, ROLES
from accelgen.errors import InputError
from accelgen.names import unknown
from accelgen.search.vector import Gene, Reader, middle_of

__all__ = ["AXES", "EVEN", "INNER", "ArrayGenes", "Encoding", "Stays", "arranged", "placed"]

AXES = ("x", "y", "z")
"""Names of the axes of candidates."""

Encoding = Literal["importance", "index"]

Stays = Literal["inputs", "weights", "outputs", "any"]
"""The tensor that stays in the units while others pass; ``any``: each layer has its own, on an
array with the links of all, as where several dataflows are fused."""

EVEN = 0.02
"""Added to the importances of axes, so that all of them 0 make a square."""

_FEWEST = 0.25
"""The least part of the units of a budget that is used."""

INNER = 2
"""Most loops that a unit runs on its own; each multiplies the mappings to choose from."""


@dataclass(frozen=True)
class ArrayGenes:
    """What is decided of arrays.

    ``roles`` of loops, those that the networks have; ``dimensions`` are the numbers of axes to
    choose from, ``loops`` how many roles an axis may have (a layer runs one of them there, with
    ``several`` a product of sizes), ``stays`` what may stay in place.  With ``registers`` units
    run up to two loops on their own.
    """

    encoding: Encoding
    roles: tuple[str, ...]
    dimensions: tuple[int, ...] = (1, 2, 3)
    loops: tuple[int, ...] = (1, 2, 3)
    several: tuple[bool, ...] = (False,)
    stays: tuple[Stays, ...] = ("outputs", "weights", "inputs", "any")
    registers: bool = False

    def __post_init__(self) -> None:
        for role in self.roles:
            if role not in LOOP_ROLES:
                raise unknown(role, "role of a loop", LOOP_ROLES)
        for where, numbers, most in (
            ("dimensions", self.dimensions, len(AXES)),
            ("loops_per_axis", self.loops, len(self.roles)),
        ):
            if not numbers or not all(1 <= n <= most for n in numbers):
                raise InputError(
                    f"{list(numbers)}", where=where, hint=f"use numbers from 1 to {most}"
                )
        if not self.stays or not self.several:
            raise InputError("no choice", where="stationary or several", hint="give one at least")
        for kept in self.stays:
            if kept not in (*ROLES, "any"):
                raise unknown(kept, "tensor", (*ROLES, "any"))

    @property
    def genes(self) -> tuple[Gene, ...]:
        """The genes of an array."""
        most = max(self.dimensions)
        found = [Gene("units", "part of the units of the budget")]
        if len(self.dimensions) > 1:
            found.append(Gene("dimensions", "number of axes"))
        if most > 1:
            found += [Gene(f"size.{axis}", f"length of axis {axis}") for axis in AXES[:most]]
        found += [Gene(f"skew.{axis}", f"{axis}: broadcast or systolic") for axis in AXES[:most]]
        if len(self.loops) > 1:
            found.append(Gene("loops_per_axis", "roles of loops that an axis may run"))
        if len(self.several) > 1:
            found.append(Gene("several", "an axis runs a product of loops, or one"))
        if len(self.stays) > 1:
            found.append(Gene("stationary", "what stays in the units"))
        if self.encoding == "importance":
            found += [
                Gene(f"space.{role}", f"importance of {role} in space") for role in self.roles
            ]
        else:
            found.append(Gene("space", "index of the loops in space"))
        if self.registers:
            found.append(Gene("inner", "number of loops that a unit runs on its own"))
            if self.encoding == "importance":
                found += [
                    Gene(f"inner.{role}", f"importance of {role} in a unit") for role in self.roles
                ]
            else:
                found.append(Gene("inner.index", "index of the loops in a unit"))
        return tuple(found)

    def decode(self, reader: Reader, units: int) -> dict[str, object]:
        """``array``, ``dataflows`` and ``skewed`` of a hardware file, of at most ``units``."""
        axes = AXES[: reader.pick("dimensions", self.dimensions)]
        array = self._sizes(reader, axes, units)
        several = reader.pick("several", self.several)
        each = min(reader.pick("loops_per_axis", self.loops), len(self.roles))
        wanted = min(each * len(axes), len(self.roles))
        if self.encoding == "importance":
            chosen = reader.ranked("space", self.roles)[:wanted]
        else:
            chosen = arranged(self.roles, wanted, reader.values["space"])
        unrolls = {axis: list(chosen[n :: len(axes)]) for n, axis in enumerate(axes)}
        flow: dict[str, object] = {"name": "searched", "unrolls": unrolls}
        if several:
            flow["several"] = True
        kept = reader.pick("stationary", self.stays)
        if kept != "any":
            flow["stationary"] = kept
        if self.registers:
            flow["inner"] = list(self._inner(reader))
        skewed = [axis for axis in axes if reader.values[f"skew.{axis}"] >= 0.5]
        return {"array": array, "dataflows": [flow], "skewed": skewed}

    def _sizes(self, reader: Reader, axes: Sequence[str], units: int) -> dict[str, int]:
        """Lengths of the axes: their logarithms are shares of that of all units."""
        least = max(1.0, _FEWEST * units)
        left = max(1, math.floor(reader.filling("units", least, units) + 1e-9))
        found: dict[str, int] = {}
        for n, axis in enumerate(axes[:-1]):
            weights = [EVEN + reader.values[f"size.{other}"] for other in axes[n:]]
            size = min(left, max(1, round(left ** (weights[0] / sum(weights)))))
            found[axis] = size
            left //= size
        found[axes[-1]] = left
        return found

    def _inner(self, reader: Reader) -> tuple[str, ...]:
        count = min(reader.pick("inner", tuple(range(INNER + 1))), len(self.roles))
        if self.encoding == "importance":
            return reader.ranked("inner", self.roles)[:count]
        return arranged(self.roles, count, reader.values["inner.index"])


def arranged(names: Sequence[str], count: int, place: float) -> tuple[str, ...]:
    """The arrangement of ``count`` of the names at a ``place`` from 0 to 1 in the list of all of
    them, in lexicographic order.
    """
    total = math.perm(len(names), count)
    number = min(int(place * total), total - 1)
    left, found = list(names), []
    for n in range(count):
        total //= len(names) - n
        found.append(left.pop(number // total))
        number %= total
    return tuple(found)


def placed(names: Sequence[str], chosen: Sequence[str]) -> float:
    """The place at which :func:`arranged` finds ``chosen``."""
    total = count = math.perm(len(names), len(chosen))
    number, left = 0, list(names)
    for name in chosen:
        total //= len(left)
        number += left.index(name) * total
        left.remove(name)
    return middle_of(number, count)
