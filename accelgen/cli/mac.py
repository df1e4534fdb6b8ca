"""``accelgen mac``."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.command import Command, add_json, print_json, remark, stages, table
from accelgen.errors import InfeasibleError, InputError
from accelgen.names import shorten

if TYPE_CHECKING:
    from accelgen.cosim.verify_unit import UnitReport
    from accelgen.mac import MacOptions
    from accelgen.rtl.arithmetic import BlockDot

__all__ = ["MAC", "show_unit_report"]

_OPTIONS = {
    "a_format": "--format",
    "b_format": "--b-format",
    "lanes": "--lanes",
    "accumulate": "--accumulate",
    "max_k": "--max-k",
    "output_format": "--output-format",
    "a_range": "--scale-range",
    "b_range": "--b-scale-range",
    "period": "--period",
}
"""What fields of :class:`MacOptions`, and other arguments, are called on the command line."""

_RANGE = re.compile(r"(-?[0-9]{1,3}):(-?[0-9]{1,3})")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", required=True, metavar="NAME", help="block format: nvfp4, if4, mxfp8_e4m3, ..."
    )
    parser.add_argument("--b-format", metavar="NAME", help="of the second operand, if another")
    parser.add_argument(
        "--lanes", type=int, metavar="N",
        help="products per cycle, a divisor of the block (default: the block)",
    )  # fmt: skip
    parser.add_argument(
        "--accumulate", default="exact", metavar="HOW",
        help="exact (default): in fixed point, rounded once; fp32: rounded at every addition",
    )  # fmt: skip
    parser.add_argument(
        "--max-k", type=int, metavar="K", help="products of the longest exact sum (default 4096)"
    )  # fmt: skip
    parser.add_argument(
        "--output-format", default="fp32", metavar="NAME", help="fp32 (default), bf16 or fp16"
    )
    parser.add_argument(
        "--scale-range", metavar="LOW:HIGH",
        help="exponents of the MX scales that count, of both operands, written with =, as "
        "--scale-range=-16:7; default: of blocks from 2**-16 to 2**8",
    )  # fmt: skip
    parser.add_argument(
        "--b-scale-range", metavar="LOW:HIGH", help="of the second, if another, also with ="
    )
    parser.add_argument(
        "--period", type=float, metavar="NS",
        help="target clock period; when not given, the technology's default or the shortest "
        "period of this unit, whichever is longer",
    )  # fmt: skip
    parser.add_argument(
        "--technology", metavar="NAME",
        help="delays of the primitives: sg13g2 or asap7; default: sg13g2, or where that is too "
        "slow for the period, another that is not",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="DIR", help="default: rtl_out/<format>_mac")
    add_json(parser)


def _mac(arguments: argparse.Namespace) -> int:
    from accelgen.formats import MicroscalingFormat, block_format
    from accelgen.mac import MacOptions

    names = [arguments.format, arguments.b_format or arguments.format]
    first = _range(arguments.scale_range, "--scale-range")
    second = _range(arguments.b_scale_range, "--b-scale-range") or first
    # Of unlike operands the one that has such scales.
    is_mx = [isinstance(block_format(name), MicroscalingFormat) for name in names]
    if first and not any(is_mx):
        is_mx = [True, True]
    options = MacOptions(
        a_format=names[0],
        b_format=names[1],
        lanes=arguments.lanes if arguments.lanes is not None else 0,
        accumulate=arguments.accumulate,
        max_k=arguments.max_k if arguments.accumulate != "fp32" else None,
        output_format=arguments.output_format,
        a_range=first if is_mx[0] else None,
        b_range=second if is_mx[1] else None,
    )
    if arguments.lanes == 0:
        raise InputError("0 lanes", where="--lanes", hint="use a divisor of the block")
    if arguments.accumulate == "fp32" and arguments.max_k is not None:
        remark("--max-k says nothing here: sums in FP32 have any length")
    folder = Path(arguments.output or Path("rtl_out", f"{arguments.format}_mac"))
    with stages(f"generating {folder.name}"), _named_as_options(arguments):
        unit = _generate(options, folder, arguments.period, arguments.technology)
    if arguments.json:
        print_json(_figures(unit, folder))
    else:
        print(_summary(unit, folder))
    return 0


@contextmanager
def _named_as_options(arguments: argparse.Namespace) -> Iterator[None]:
    """Let errors of a field name the option that gave it."""
    options = dict(_OPTIONS)
    if arguments.b_scale_range is None:
        options["b_range"] = options["a_range"]
    try:
        yield
    except InputError as error:
        field, separator, rest = (error.where or "").partition(": ")
        if field in options:
            error.where = options[field] + separator + rest
        raise


def _generate(
    options: MacOptions, folder: Path, period: float | None, technology: str | None
) -> BlockDot:
    """In the technology that is named; else in the default one, or where that is too slow in the
    first of the others that is not, those most like it in speed first.
    """
    from accelgen.mac import generate_mac
    from accelgen.technology import DEFAULT_TECHNOLOGY, list_technologies, load_technology

    if technology is not None:
        return generate_mac(options, folder, period=period, technology=technology)
    try:
        return generate_mac(options, folder, period=period, technology=DEFAULT_TECHNOLOGY)
    except InfeasibleError as error:
        others = [load_technology(n) for n in list_technologies() if n != DEFAULT_TECHNOLOGY]
        for other in sorted(others, key=lambda one: -one.default_period):
            try:
                unit = generate_mac(options, folder, period=period, technology=other.name)
            except InfeasibleError:
                continue
            remark(
                f"registers are placed for {other.name}, which reaches the period; "
                f"in {DEFAULT_TECHNOLOGY} {error.message}"
            )
            return unit
        raise


def _range(text: str | None, option: str) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _RANGE.fullmatch(text)
    if match is None:
        hint = f"write {option}=-16:7"
        raise InputError(f"{shorten(text)} is no range LOW:HIGH", where=option, hint=hint)
    return int(match[1]), int(match[2])


def _summary(unit: BlockDot, folder: Path) -> str:
    from accelgen.mac_report import cycle_lines, register_bits

    pipeline, pair = unit.pipeline, unit.pair
    between, inside = register_bits(unit)
    name = folder.resolve().name
    kind = "exact sums" if unit.accumulate == "exact" else "FP32 sums"
    rows: list[tuple[str, object]] = [
        ("Verilog", folder / f"{name}.v"),
        *(("cycles", line) for line in cycle_lines(unit)),
        (
            "clock",
            f"{pipeline.critical:.3f} ns of a period of {pipeline.period:g} ns, "
            f"estimated ({unit.technology.name})",
        ),
        ("registers", f"{between} pipeline bits, {inside} bits in sums"),
        ("next", f"accelgen verify {shlex.quote(str(folder))}"),
    ]
    return (
        f"{name}: {pair}, {unit.lanes} lanes, {kind} in {unit.target}\n{table(rows, indent='  ')}"
    )


def _figures(unit: BlockDot, folder: Path) -> dict[str, object]:
    from accelgen.mac_report import register_bits

    name = folder.resolve().name
    between, inside = register_bits(unit)
    return {
        "name": name,
        "output": str(folder),
        "verilog": [str(folder / f"{name}.v")],
        "manifest": str(folder / "manifest.json"),
        "report": str(folder / "report.md"),
        "latency_cycles": unit.latency,
        "partial_sums": unit.partials,
        "products_per_cycle": unit.lanes,
        "technology": unit.technology.name,
        "period_ns": unit.pipeline.period,
        "critical_path_ns": round(unit.pipeline.critical, 6),
        "register_bits": {"pipeline": between, "sums": inside},
    }


def show_unit_report(report: UnitReport) -> str:
    """Phases, predicted and measured latency, the faults, and the verdict."""
    rows: list[tuple[object, ...]] = [("phase", "sums", "blocks", "")]
    rows += [(p.name, p.sums, p.blocks, "pass" if p.passed else "FAIL") for p in report.phases]
    measured = "none" if report.measured_latency is None else report.measured_latency
    lines = [
        table(rows),
        "",
        table([("", "predicted", "measured"), ("latency", report.predicted_latency, measured)]),
        *report.faults,
    ]
    if report.waves is not None:
        lines.append(f"waves: {report.waves}")
    failed = sum(not phase.passed for phase in report.phases)
    verdict = f"FAIL in {failed} of" if failed else "PASS in all"
    lines.append(f"{report.name}: {verdict} {len(report.phases)} phases")
    return "\n".join(lines)


MAC = Command("mac", "write the Verilog of a block dot-product unit", _add_arguments, _mac)
