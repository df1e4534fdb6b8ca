"""Kernels, architectures and bits together, judged by measured accuracy and the kernel's cycles.

Latency is that of the cycle model, which equals the hardware; energy and area are estimates
(:mod:`accelgen.realize.estimate`); accuracy is measured on images that training never saw.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

from accelgen import __version__
from accelgen.accuracy.measured import MeasuredDigits
from accelgen.accuracy.source import LayerBits
from accelgen.cache import digest
from accelgen.energy import load_energies
from accelgen.errors import InputError
from accelgen.names import FrozenMap
from accelgen.realize.estimate import PARTS, estimate
from accelgen.realize.forecast import forecast_of
from accelgen.realize.kernel import Kernel, weight_formats
from accelgen.realize.point import COLUMNS, Point
from accelgen.realize.program import compile_network, design_kernel, largest_bounds
from accelgen.realize.sources import SOURCES
from accelgen.search.spaces.bit_budget import BitBudget
from accelgen.search.subject import Candidate, Figures, Forecast
from accelgen.search.subjects.digits_accuracy import accuracy_traits
from accelgen.search.subjects.digits_bits import allocated
from accelgen.search.subjects.records import recorded
from accelgen.store import Json
from accelgen.sweep.executors import Task
from accelgen.sweep.metrics import METRICS

__all__ = ["DigitsSubject", "DigitsTrial", "evaluate_point"]

_RECORDS = 2
"""Changes with what is recorded of a trial."""


@dataclass(frozen=True)
class DigitsTrial:
    """A point to evaluate, in its technology at its clock period."""

    number: int
    key: str
    point: Point
    limit: float = inf

    def limited(self, metric: str, limit: float) -> DigitsTrial:
        """The same: what takes time is known before the first metric is."""
        return self

    def __str__(self) -> str:
        """``trial 17: k 4, q 4 on digits``."""
        return f"trial {self.number}: {self.point.described()['space']} on digits"


@dataclass(frozen=True)
class DigitsSubject:
    """Points are judged in ``technology`` at ``period_ns``.  ``weights`` are the formats that the
    space has for weights: of these a layer can have what the multipliers of its kernel take.

    A :class:`~accelgen.search.subject.Subject` for spaces with the parts ``hardware`` (kernels),
    ``network`` (architectures) and ``bits`` (formats by layer, or a budget for them).
    """

    technology: str = "sg13g2"
    period_ns: float = 5.0
    weights: tuple[str, ...] = ()

    columns = COLUMNS
    shown = ("space", "multiplier", "layers", "weight_bits", "activation_bits")
    limited = ()
    probed = ("accuracy",)
    names = ("digits",)

    def __post_init__(self) -> None:
        if not 0 < self.period_ns < inf:
            raise InputError(
                f"{self.period_ns:g} ns", where="period_ns", hint="use more than 0, such as 5"
            )

    @property
    def about(self) -> str:
        """What accuracy, energy and latency are."""
        return (
            f"accuracy measured: {MeasuredDigits().source}; latency of the cycle model at "
            f"{self.period_ns:g} ns; energy and area estimated in {self.technology}"
        )

    @property
    def task(self) -> Task[Any]:
        """See :func:`evaluate_point`."""
        return evaluate_point

    @cached_property
    def definition(self) -> Mapping[str, Json]:
        """Cost model and accuracy, with the code and the weights of these, and prices."""
        measured = MeasuredDigits()
        prices = digest([repr(load_energies(self.technology))])
        return {
            "model": f"accelgen {__version__}, {SOURCES}, records {_RECORDS}",
            "accuracy": f"{measured.source} {measured.content}",
            "technology": f"{self.technology} {prices}",
            "period_ns": self.period_ns,
        }

    @cached_property
    def _defined(self) -> str:
        return repr(sorted(self.definition.items()))

    def candidate(self, number: int, found: FrozenMap[str, Any]) -> Candidate:
        """The point of a kernel, an architecture and bits of all layers that there may be, or a
        budget for these.
        """
        architecture, kernel, all_bits = found["network"], found["hardware"], found["bits"]
        if isinstance(all_bits, BitBudget):
            all_bits = allocated(architecture, all_bits)
        layers = [layer.name for layer in MeasuredDigits().supernet.space.layers(architecture)]
        bits = {name: self._taken(kernel, all_bits[name]) for name in layers}
        point = Point(kernel, architecture, FrozenMap(bits), self.technology, self.period_ns)
        key = digest((self._defined, repr(point)))
        return Candidate(point, DigitsTrial(number, key, point))

    def _taken(self, kernel: Kernel, bits: LayerBits) -> LayerBits:
        """The formats with those weights, of the ones that the kernel takes, that are in the same
        part of them as ``bits`` in all.
        """
        taken = [name for name in self.weights if name in weight_formats(kernel.multiplier)]
        if not taken or bits.weights not in self.weights:
            return bits
        at = self.weights.index(bits.weights) * len(taken) // len(self.weights)
        return bits if bits.weights in taken else LayerBits(taken[at], bits.activations)

    def forecast(self, design: Point) -> Forecast:
        """See :func:`accelgen.realize.forecast.forecast_of`."""
        return Forecast(*forecast_of(design))

    def probe_key(self, design: Point) -> Hashable:
        """The network and its formats."""
        return design.architecture, design.bits

    def probe_traits(self, design: Point) -> Mapping[str, float]:
        """See :func:`accelgen.search.subjects.digits_accuracy.accuracy_traits`."""
        return accuracy_traits(design.architecture, design.bits)

    def probe(self, design: Point) -> Figures:
        """Accuracy, in a thirtieth of the time that it takes to design the kernel."""
        return {"accuracy": MeasuredDigits().of(design.network()).value}

    def next_command(self, folder: Path, point: int) -> tuple[str, ...]:
        """Build the point, and run images on it."""
        return "accelgen", "realize", str(folder), "--point", str(point)

    def figures(self, record: Mapping[str, Json]) -> Figures:
        """Metrics, ``accuracy`` and energy by part."""
        found: Figures = {**dict.fromkeys(METRICS), "accuracy": None}
        values = {name: x for name, x in record.items() if isinstance(x, int | float)}
        if "cycles" not in values:
            return found
        energy = record["energy_pj"]
        assert isinstance(energy, Mapping)
        parts = {name: float(x) for name, x in energy.items() if isinstance(x, int | float)}
        total, microseconds = sum(parts.values()), values["cycles"] / values["clock_mhz"]
        return found | {
            "cycles": values["cycles"],
            "latency_ms": microseconds / 1e3,
            "energy_uj": total / 1e6,
            "edp_js": total * microseconds / 1e18,
            "utilisation": values["utilisation"],
            "area_mm2": values["area_mm2"],
            "power_mw": total / microseconds / 1e3,
            "accuracy": values["accuracy"],
            **{f"energy_{name}_uj": x / 1e6 for name, x in parts.items()},
        }


def evaluate_point(trial: DigitsTrial) -> dict[str, Json]:
    """Design the kernel of a point for its network, count its cycles, measure its accuracy.

    Returns ``accuracy`` with ``accuracy_kind`` and ``accuracy_source``, ``cycles``, ``clock_mhz``,
    ``energy_pj`` by part, ``utilisation``, ``area_mm2``, ``seconds``; ``error`` where the kernel
    cannot be built.  Depends on nothing but the trial.
    """
    point = trial.point

    def judge(record: dict[str, Json]) -> None:
        network = point.network()
        measured = MeasuredDigits().of(network)
        design = design_kernel(point.kernel, largest_bounds([network], point.kernel))
        program = compile_network(network, point.kernel, design)
        found = estimate(program, design, point.technology, point.period_ns)
        products = sum(step.products for step in program.steps)
        record |= {
            "accuracy": measured.value,
            "accuracy_kind": measured.kind,
            "accuracy_source": measured.source,
            "cycles": found.cycles,
            "energy_pj": {part: found.energy_pj[part] for part in (*PARTS, "leakage")},
            "utilisation": products / (point.kernel.units * found.cycles),
            "area_mm2": found.area_mm2,
        }

    return recorded({"clock_mhz": 1000.0 / point.period_ns}, judge)
