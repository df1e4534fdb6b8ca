"""What is known of a point, in which units, and what a sweep asks of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accelgen.errors import InputError
from accelgen.names import unknown
from accelgen.store import Json

__all__ = [
    "ACCURACY_FROM",
    "FURTHER",
    "METRICS",
    "Constraint",
    "Metric",
    "figures",
    "is_maximised",
    "label",
    "metric_name",
]


@dataclass(frozen=True)
class Metric:
    """A column of results: what it is, its unit, and whether more of it is better."""

    name: str
    title: str
    unit: str
    maximised: bool = False


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("cycles", "latency", "cycles"),
        Metric("latency_ms", "latency", "ms"),
        Metric("energy_uj", "energy", "uJ"),
        Metric("edp_js", "EDP", "J s"),
        Metric("utilisation", "utilisation", "", maximised=True),
        Metric("area_mm2", "area", "mm2"),
        Metric("power_mw", "power", "mW"),
    )
}
"""Figures of every point; the energy of a level is in ``energy_<level>_uj`` beside them."""

FURTHER: dict[str, Metric] = {
    metric.name: metric for metric in (Metric("accuracy", "accuracy", "", maximised=True),)
}
"""Metrics of designs whose network is chosen, too."""

ACCURACY_FROM = "accuracy_from"
"""The column that says of what kind accuracies are, and where they come from."""

_SHORT = {
    "latency": "latency_ms",
    "energy": "energy_uj",
    "edp": "edp_js",
    "area": "area_mm2",
    "power": "power_mw",
}


def metric_name(name: str, further: Sequence[str] = ()) -> str:
    """The column of a metric: ``latency`` is ``latency_ms``; ``further`` columns are allowed too.

    Raises :class:`InputError` with the nearest name.
    """
    if name in METRICS or name in FURTHER or name in further:
        return name
    if name in _SHORT:
        return _SHORT[name]
    if name.startswith("energy_") and name.endswith("_uj") and not further:
        return name
    raise unknown(name, "metric", [*METRICS, *_SHORT, *FURTHER, *further])


def is_maximised(column: str) -> bool:
    """Whether more is better."""
    metric = METRICS.get(column) or FURTHER.get(column)
    return metric is not None and metric.maximised


def label(column: str) -> str:
    """What an axis of a picture says: ``latency [ms]``."""
    metric = METRICS.get(column) or FURTHER.get(column)
    if metric is None:
        level = column.removeprefix("energy_").removesuffix("_uj")
        return f"energy of {level} [uJ]" if f"energy_{level}_uj" == column else column
    return f"{metric.title} [{metric.unit}]" if metric.unit else metric.title


def figures(record: Mapping[str, Json]) -> dict[str, float | None]:
    """The metrics of an evaluated point, energy by level included, from what is recorded of it."""
    if "cycles" not in record:
        area = record.get("area_mm2")
        return dict.fromkeys(METRICS) | {"area_mm2": _number(area)}
    cycles, clock = _number(record["cycles"]), _number(record["clock_mhz"])
    levels = record["energy_pj"]
    assert cycles is not None
    assert clock is not None
    assert isinstance(levels, Mapping)
    by_level = {name: _number(value) or 0.0 for name, value in levels.items()}
    energy, microseconds = sum(by_level.values()), cycles / clock
    return {
        "cycles": cycles,
        "latency_ms": microseconds / 1e3,
        "energy_uj": energy / 1e6,
        **{f"energy_{name}_uj": value / 1e6 for name, value in by_level.items()},
        "edp_js": energy * microseconds / 1e18,
        "utilisation": _number(record["utilisation"]),
        "area_mm2": _number(record["area_mm2"]),
        # 1 pJ / us is 1 uW.
        "power_mw": energy / microseconds / 1e3,
    }


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Constraint:
    """``metric`` is at least ``low`` and at most ``high``."""

    metric: str
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", metric_name(self.metric))
        if not self.low <= self.high:
            raise InputError(
                f"nothing is at least {self.low:g} and at most {self.high:g}",
                where=self.metric,
                hint="exchange them",
            )

    def __str__(self) -> str:
        """``area_mm2 <= 4``."""
        low = f"{self.low:g} <= " if self.low > -math.inf else ""
        high = f" <= {self.high:g}" if self.high < math.inf else ""
        return f"{low}{self.metric}{high}"

    def holds(self, value: float | None) -> bool:
        """Whether a value satisfies it; one that is not known does not."""
        return value is not None and self.low <= value <= self.high

    def violation(self, value: float | None) -> str:
        """Why a value does not."""
        if value is None:
            return f"{self.metric} is not known, {self} is wanted"
        return f"{self.metric} is {value:.6g}, {self} is wanted"
