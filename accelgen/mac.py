"""Block dot-product units as designs: from two formats to a folder with Verilog."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import cast, get_args

from accelgen.errors import InputError
from accelgen.formats import FloatFormat, block_format, get_format
from accelgen.golden.block_pair import BlockPair, ScaleRange
from accelgen.mac_report import write_mac_report
from accelgen.manifest import MANIFEST_SCHEMA, Listing, read_manifest, write_manifest
from accelgen.names import check_name, shorten, unknown, within
from accelgen.output_folder import check_replaceable, replace_folder, writing
from accelgen.rtl.arithmetic.block_dot import LONGEST, MOST_PARTIALS, Accumulate, BlockDot
from accelgen.rtl.library import UnitLibrary
from accelgen.verilog import top_verilog

__all__ = ["DESIGN", "MacManifest", "MacOptions", "generate_mac"]

DESIGN = "block_dot"
"""How manifests call this kind of design."""

_MAX_K = 4096
_LONG_SUM = 256
"""Cycles of an FP32 sum that is called long, for its length has no limit."""
_MOST_LATENCY = 256
"""Cycles; the deepest pipelines have about thirty."""
_OUTPUTS = {"exact": ("fp32", "bf16", "fp16"), "fp32": ("fp32", "bf16")}


@dataclass(frozen=True)
class MacOptions:
    """What a unit computes: the parameters of :class:`~accelgen.rtl.arithmetic.BlockDot` by name.

    ``b_format`` is ``a_format`` when it is not given, ``lanes`` the shorter of both blocks.
    ``max_k`` (default 4096) is for exact sums; FP32 sums have any length and no ``max_k``.
    """

    a_format: str
    b_format: str = ""
    lanes: int = 0
    accumulate: str = "exact"
    max_k: int | None = None
    output_format: str = "fp32"
    a_range: ScaleRange | None = None
    b_range: ScaleRange | None = None

    def completed(self) -> MacOptions:
        """With everything given, and checked; see :meth:`check`."""
        with within("a_format"):
            first = block_format(self.a_format)
        with within("b_format"):
            second = block_format(self.b_format or self.a_format)
        max_k = None
        if self.accumulate != "fp32":
            max_k = _MAX_K if self.max_k is None else self.max_k
        whole = replace(
            self,
            b_format=second.name,
            lanes=self.lanes or min(form.block or 1 for form in (first, second)),
            max_k=max_k,
        )
        whole.check()
        return whole

    def check(self) -> None:
        """Raise :class:`InputError`, whose ``where`` begins with the field, for a wrong value."""
        with within("a_format"):
            a = block_format(self.a_format)
        with within("b_format"):
            b = block_format(self.b_format)
        with within("lanes"):
            BlockPair(a, b, self.lanes)
        with within("a_range"):
            BlockPair(a, b, self.lanes, a_range=self.a_range)
        with within("b_range"):
            BlockPair(a, b, self.lanes, b_range=self.b_range)
        with within("accumulate"):
            if self.accumulate not in _OUTPUTS:
                raise unknown(self.accumulate, "accumulation", get_args(Accumulate))
        with within("max_k"):
            self._check_longest()
        with within("output_format"):
            names = _OUTPUTS[self.accumulate]
            if str(get_format(self.output_format)) not in names:
                kind = "exact" if self.accumulate == "exact" else "FP32"
                message = f"{self.output_format} is no format of {kind} sums"
                raise InputError(message, hint=f"use {' or '.join(names)}")

    def _check_longest(self) -> None:
        if self.accumulate == "fp32":
            if self.max_k is not None:
                raise InputError("is given, but FP32 sums have any length", hint="leave it out")
        elif self.max_k is None or not self.lanes <= self.max_k <= LONGEST:
            raise InputError(
                f"a longest sum of {self.max_k} products", hint=f"use {self.lanes}..{LONGEST}"
            )

    @property
    def long_sum(self) -> int:
        """Cycles of the longest exact sum; of an FP32 sum, many."""
        return _LONG_SUM if self.max_k is None else self.pair.most_cycles(self.max_k)

    @property
    def pair(self) -> BlockPair:
        """The formats that are multiplied."""
        a, b = block_format(self.a_format), block_format(self.b_format)
        return BlockPair(a, b, self.lanes, self.a_range, self.b_range)

    @property
    def target(self) -> FloatFormat:
        """The format of results."""
        return cast(FloatFormat, get_format(self.output_format))


@dataclass(frozen=True)
class MacManifest:
    """What a test bench or a driver needs to know of a unit.

    ``latency`` counts from the last elements to ``y``; with FP32 sums the time that ``partials``
    partial sums take is not in it.  ``sum_latency`` is that of the exact sum, if there is one.
    """

    listing: Listing
    options: MacOptions
    latency: int
    partials: int
    sum_latency: int | None
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
            "ports": {
                "clock": "clk",
                "reset": "rst",
                "bad_number": "bad_number",
                **({"too_long": "too_long"} if options.max_k is not None else {}),
            },
            "parameters": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in ((f.name, getattr(options, f.name)) for f in fields(options))
            },
            "latency_cycles": self.latency,
            **({} if self.sum_latency is None else {"sum_latency_cycles": self.sum_latency}),
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
        options = MacOptions(
            a_format=_text(parameters, "a_format"),
            b_format=_text(parameters, "b_format"),
            lanes=_number(parameters, "lanes"),
            accumulate=_text(parameters, "accumulate"),
            max_k=None if parameters["max_k"] is None else _number(parameters, "max_k"),
            output_format=_text(parameters, "output_format"),
            a_range=_range(parameters, "a_range"),
            b_range=_range(parameters, "b_range"),
        )
        with within("parameters"):
            options.check()
        exact = options.accumulate == "exact"
        latency = _number(values, "latency_cycles", 0, _MOST_LATENCY)
        partials = _number(values, "partial_sums", 1, 1 if exact else MOST_PARTIALS)
        sum_latency = _number(values, "sum_latency_cycles", 1, latency) if exact else None
        manifest = cls(listing, options, latency, partials, sum_latency, MappingProxyType({}))
        known = manifest.to_json().keys() | {"sum_latency_cycles"}
        extra = {key: value for key, value in values.items() if key not in known}
        return replace(manifest, extra=MappingProxyType(extra))


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
        options.max_k or _MAX_K,
        options.target,
        accumulate=cast(Accumulate, options.accumulate),
        period=period,
        technology=technology,
        a_range=options.a_range,
        b_range=options.b_range,
    )
    manifest = describe(name, options, unit)
    verilog = top_verilog(name, UnitLibrary(prefix=name), lambda: unit)

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
        unit.sum_latency if unit.accumulate == "exact" else None,
        MappingProxyType(extra),
    )


def _fraction(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _number(values: Mapping[str, object], key: str, least: int = 0, most: int | None = None) -> int:
    value = values.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{shorten(value)} is not a natural number", where=key)
    if value < least or (most is not None and value > most):
        raise InputError(f"{value} is outside {least}..{most}", where=key)
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
