"""Block dot-product units as designs: from two formats to a folder with Verilog."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import cast

from accelgen.errors import InputError
from accelgen.formats import FloatFormat, block_format, get_format
from accelgen.golden.block_pair import BlockPair, ScaleRange
from accelgen.mac_report import write_mac_report
from accelgen.manifest import MANIFEST_SCHEMA, Listing, read_manifest, write_manifest
from accelgen.names import check_name
from accelgen.output_folder import check_replaceable, replace_folder, writing
from accelgen.rtl.arithmetic.block_dot import Accumulate, BlockDot
from accelgen.rtl.library import UnitLibrary

__all__ = ["DESIGN", "MacManifest", "MacOptions", "generate_mac"]

DESIGN = "block_dot"
"""How manifests call this kind of design."""


@dataclass(frozen=True)
class MacOptions:
    """What a unit computes: the parameters of :class:`~accelgen.rtl.arithmetic.BlockDot` by name.

    ``b_format`` is ``a_format`` when it is not given, ``lanes`` the shorter of both blocks.
    """

    a_format: str
    b_format: str = ""
    lanes: int = 0
    accumulate: str = "exact"
    max_k: int = 4096
    output_format: str = "fp32"
    a_range: ScaleRange | None = None
    b_range: ScaleRange | None = None

    def completed(self) -> MacOptions:
        """With everything given; raises :class:`InputError` for a name that is no format's."""
        blocks = [block_format(name) for name in (self.a_format, self.b_format or self.a_format)]
        lanes = self.lanes or min(form.block or 1 for form in blocks)
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return MacOptions(**(values | {"b_format": blocks[1].name, "lanes": lanes}))

    @property
    def pair(self) -> BlockPair:
        """The formats that are multiplied."""
        a, b = block_format(self.a_format), block_format(self.b_format)
        return BlockPair(a, b, self.lanes, self.a_range, self.b_range)

    @property
    def target(self) -> FloatFormat:
        """The format of results."""
        found = get_format(self.output_format)
        if not isinstance(found, FloatFormat):
            raise InputError(f"{self.output_format} is no floating-point format", hint="use fp32")
        return found


@dataclass(frozen=True)
class MacManifest:
    """What a test bench or a driver needs to know of a unit.

    ``latency`` counts from the last elements to ``y``; with FP32 sums the time that ``partials``
    partial sums take is not in it.
    """

    listing: Listing
    options: MacOptions
    latency: int
    partials: int
    sum_latency: int
    extra: Mapping[str, object]

    def to_json(self) -> dict[str, object]:
        """As JSON values."""
        options = self.options
        return {
            "schema": MANIFEST_SCHEMA,
            "design": self.listing.design,
            "name": self.listing.name,
            "top": self.listing.top,
            "verilog": list(self.listing.verilog),
            "ports": {"clock": "clk", "reset": "rst", "bad_number": "bad_number"},
            "parameters": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in ((f.name, getattr(options, f.name)) for f in fields(options))
            },
            "latency_cycles": self.latency,
            "sum_latency_cycles": self.sum_latency,
            "partial_sums": self.partials,
            **self.extra,
        }

    @classmethod
    def read(cls, directory: Path) -> MacManifest:
        """Read ``directory/manifest.json``; raise :class:`InputError` saying what is wrong."""
        return read_manifest(directory, cls._parse)

    @classmethod
    def _parse(cls, data: object) -> MacManifest:
        listing = Listing.from_json(data)
        if listing.design != DESIGN:
            raise InputError(f"is that of a {listing.design}, not of a {DESIGN}")
        values = cast(dict[str, object], data)
        parameters = values.get("parameters")
        names = [f.name for f in fields(MacOptions)]
        if not isinstance(parameters, dict) or set(parameters) != set(names):
            raise InputError(f"needs {', '.join(names)}", where="parameters")
        numbers = {
            key: _number(values, key)
            for key in ("latency_cycles", "sum_latency_cycles", "partial_sums")
        }
        options = MacOptions(
            a_format=_text(parameters, "a_format"),
            b_format=_text(parameters, "b_format"),
            lanes=_number(parameters, "lanes"),
            accumulate=_text(parameters, "accumulate"),
            max_k=_number(parameters, "max_k"),
            output_format=_text(parameters, "output_format"),
            a_range=_range(parameters, "a_range"),
            b_range=_range(parameters, "b_range"),
        )
        # What is wrong with them is said here.
        _ = options.pair, options.target
        known = {"schema", "design", "name", "top", "verilog", "ports", "parameters", *numbers}
        return cls(
            listing,
            options,
            numbers["latency_cycles"],
            max(1, numbers["partial_sums"]),
            numbers["sum_latency_cycles"],
            MappingProxyType({k: v for k, v in values.items() if k not in known}),
        )


def generate_mac(
    options: MacOptions,
    output: Path | str,
    *,
    name: str | None = None,
    period: float | None = None,
    technology: str = "sg13g2",
) -> BlockDot:
    """Write ``<name>.v``, ``manifest.json`` and ``report.md`` into the folder ``output``.

    ``name`` (the module's; by default that of the folder) is letters, digits and ``_``.  ``period``
    (ns) and ``technology`` say where registers go; see :class:`BlockDot`.  The folder appears whole
    or not at all; one that exists is replaced when accelgen wrote it.

    Raises:
        InputError: an option is out of range, or the folder holds anything else.
        InfeasibleError: no placement of registers reaches the period.
    """
    folder = Path(output)
    name = check_name(name or folder.resolve().name, "unit")
    if period is not None and not (math.isfinite(period) and period > 0):
        raise InputError(f"{period} ns is no clock period", where="period", hint="use 4.5")
    with writing(folder):
        check_replaceable(folder)
    options = options.completed()
    unit = BlockDot(
        block_format(options.a_format),
        block_format(options.b_format),
        options.lanes,
        options.max_k,
        options.target,
        accumulate=cast(Accumulate, options.accumulate),
        period=period,
        technology=technology,
        a_range=options.a_range,
        b_range=options.b_range,
    )
    manifest = describe(name, options, unit)
    library = UnitLibrary(prefix=name)
    library.add(unit, "")
    verilog = library.verilog()

    def fill(empty: Path) -> None:
        (empty / f"{name}.v").write_text(verilog, encoding="utf-8")
        (empty / "report.md").write_text(write_mac_report(name, unit), encoding="utf-8")
        write_manifest(empty, manifest.to_json())

    with writing(folder):
        replace_folder(folder.resolve(), fill)
    return unit


def describe(name: str, options: MacOptions, unit: BlockDot) -> MacManifest:
    """The manifest of a unit."""
    pipeline, pair = unit.pipeline, unit.pair
    extra: dict[str, object] = {
        "unit": {"factor": _fraction(pair.factor), "fraction_bits": pair.fraction},
        "term_bits": pair.term.bits,
        "period_ns": pipeline.period,
        "critical_path_ns": round(pipeline.critical, 6),
        "pipeline_register_bits": pipeline.bits,
        "technology": unit.technology.name,
        "versions": {"accelgen": version("accelgen")},
    }
    if unit.accumulate == "exact":
        extra["accumulator_bits"] = pair.accumulator(unit.longest).bits
    return MacManifest(
        Listing(name, name, (f"{name}.v",), DESIGN),
        options,
        unit.latency,
        unit.partials,
        unit.sum_latency,
        MappingProxyType(extra),
    )


def _fraction(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _number(values: Mapping[str, object], key: str) -> int:
    value = values.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{value!r} is not a natural number", where=key)
    return value


def _text(values: Mapping[str, object], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str):
        raise InputError("is not text", where=key)
    return value


def _range(values: Mapping[str, object], key: str) -> ScaleRange | None:
    value = values.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(type(v) is int for v in value):
        raise InputError("is not a pair of exponents", where=key)
    return value[0], value[1]
