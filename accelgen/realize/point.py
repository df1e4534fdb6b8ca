"""A point of a joint search: a kernel, an architecture, the formats of its layers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from math import inf
from pathlib import Path
from typing import Any, cast

from accelgen.accuracy.source import LayerBits
from accelgen.bits.table import element_bits
from accelgen.digits.supernet import load_supernet
from accelgen.errors import InputError
from accelgen.names import FrozenMap, shorten, within
from accelgen.output_file import write_text
from accelgen.quantised.graph import QuantisedNetwork
from accelgen.realize.kernel import Kernel, describe
from accelgen.realize.program import largest_bounds
from accelgen.store import Json

__all__ = ["COLUMNS", "Point", "point_of", "read_point"]

COLUMNS = (
    "units", "space", "order", "skewed", "multiplier", "bus_bits", "layers", "weight_bits",
    "activation_bits", "network", "formats",
)  # fmt: skip
"""What :meth:`Point.described` says."""


@dataclass(frozen=True)
class Point:
    """A sub-network of the digits supernet with the formats of its layers, and what it runs on:
    a kernel, whose energy and area are those of ``technology`` at a clock of ``period_ns``.
    """

    kernel: Kernel
    architecture: FrozenMap[str, int]
    bits: FrozenMap[str, LayerBits]
    technology: str = "sg13g2"
    period_ns: float = 5.0

    def network(self) -> QuantisedNetwork:
        """The network in integers.  Raises :class:`InputError` for formats it cannot have."""
        return load_supernet().quantised(self.architecture, self.bits)

    def described(self) -> dict[str, int | float | str]:
        """The columns of tables; bits are the mean over layers, ``formats`` are weights and
        activations layer by layer.
        """
        kernel, count = self.kernel, len(self.bits)
        return {
            "units": kernel.units,
            "space": ", ".join(f"{loop} {extent}" for loop, extent in kernel.space),
            "order": " ".join(kernel.order),
            "skewed": " ".join(
                loop for (loop, _), skew in zip(kernel.space, kernel.skewed, strict=True) if skew
            )
            or "-",
            "multiplier": kernel.multiplier,
            "bus_bits": kernel.bus_bits,
            "layers": count,
            "weight_bits": sum(element_bits(x.weights) for x in self.bits.values()) / count,
            "activation_bits": sum(element_bits(x.activations) for x in self.bits.values()) / count,
            "network": " ".join(map(str, self.architecture.values())),
            "formats": _in_runs([f"{x.weights}*{x.activations}" for x in self.bits.values()]),
        }

    def to_json(self) -> dict[str, Json]:
        """All that makes it again, see :func:`point_of`."""
        kernel = self.kernel
        return {
            "kernel": {
                "space": [[loop, extent] for loop, extent in kernel.space],
                "order": list(kernel.order),
                "skewed": list(kernel.skewed),
                "multiplier": kernel.multiplier,
                "bus_bits": kernel.bus_bits,
            },
            "architecture": dict(self.architecture),
            "bits": {name: asdict(both) for name, both in self.bits.items()},
            "technology": self.technology,
            "period_ns": self.period_ns,
        }

    def write(self, folder: Path, name: str, comment: str) -> list[Path]:
        """Write the dataflow, for ``accelgen generate --programmable --output-stage``."""
        bounds = largest_bounds([self.network()], self.kernel)
        text = f"# {comment}\n{describe(self.kernel, bounds, name)}"
        path = folder / f"kernel_{name.rpartition('_')[2]}.yaml"
        return [write_text(path, text)]


def _in_runs(names: Sequence[str]) -> str:
    """``a a b`` as ``2:a b``."""
    runs = [(name, len(list(run))) for name, run in groupby(names)]
    return " ".join(f"{count}:{name}" if count > 1 else name for name, count in runs)


def read_point(results: Path, number: int) -> tuple[Point, Mapping[str, Json]]:
    """A point of the front of a joint search in a folder, and what the search recorded of it.

    Raises :class:`InputError` when there is no such point or the search was of something else.
    """
    path = results / "results.json" if results.is_dir() else results
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if "strategies" in found:
            raise InputError(
                "is a comparison", where=str(path), hint=f"name a run: {path.parent / 'joint_0'}"
            )
        front = {entry["point"]: entry for entry in found["front"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "no results of a search", where=str(path), hint="make some: accelgen codesign digits"
        ) from error
    if number not in front:
        raise InputError(
            f"point {number} is not on the front",
            where=str(path),
            hint=f"use one of {', '.join(map(str, sorted(front)))}",
        )
    entry = front[number]
    with within(str(path)):
        for key in ("kernel", "architecture", "bits"):
            if not isinstance(entry.get(key), dict):
                other = f": {shorten(entry[key])}" if key in entry else ""
                raise InputError(
                    f"point {number} has no {key}{other}",
                    hint="realize takes searches of digits with hardware: {space: kernels}",
                )
        if not {"technology", "period_ns"} <= entry.keys():
            raise InputError(
                f"point {number} has no technology or no clock period",
                hint="run the search again: accelgen codesign",
            )
        try:
            return point_of(entry), cast("Mapping[str, Json]", entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"point {number} is not as searches write it: {shorten(error)}",
                hint="run the search again: accelgen codesign",
            ) from error


def point_of(entry: Mapping[str, Any]) -> Point:
    """From what :meth:`Point.to_json` made; raises errors of Python's where it did not."""
    values = entry["kernel"]
    kernel = Kernel(
        tuple((str(loop), int(extent)) for loop, extent in values["space"]),
        tuple(values["order"]),
        tuple(bool(x) for x in values["skewed"]),
        values["multiplier"],
        values["bus_bits"],
    )
    bits = {name: LayerBits(**both) for name, both in entry["bits"].items()}
    period = float(entry["period_ns"])
    if not 0 < period < inf:
        raise ValueError(f"period_ns {period:g}")
    if not isinstance(entry["technology"], str):
        raise TypeError(f"technology {entry['technology']}")
    return Point(
        kernel, FrozenMap(entry["architecture"]), FrozenMap(bits), entry["technology"], period
    )
