"""``accelgen cycles``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelgen.cli.attention_design import check_sources, is_attention_source
from accelgen.cli.attention_design import cycles as attention_cycles
from accelgen.cli.command import Command, add_json, print_json, remark, table
from accelgen.cli.options import (
    BOUNDS,
    SPACE,
    add_description,
    add_hardware,
    passes_without,
    read_description,
)
from accelgen.cli.values import MAX_POINTS, combinations, sweep
from accelgen.errors import InputError
from accelgen.names import within

if TYPE_CHECKING:
    from accelgen.affine import Description
    from accelgen.cycles import CycleModel

__all__ = ["CYCLES"]

_RESULTS = ("compute_cycles", "total_cycles", "utilisation")


@dataclass(frozen=True)
class _Point:
    """The cycles of a description with some values replaced by ``given``."""

    given: dict[str, int]
    description: Description
    cycles: CycleModel

    @property
    def name(self) -> str:
        """The values it has, ``m=64, i=8``."""
        return _name(self.given)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_description(parser, ranges=True)
    add_hardware(parser)
    add_json(parser)
    parser.add_argument(
        "--layer", type=int, metavar="N", help="of an attention description: this one (default 0)"
    )
    parser.add_argument("--csv", action="store_true", help="print the table as CSV")


def _cycles(arguments: argparse.Namespace) -> int:
    if is_attention_source([arguments.description]):
        return attention_cycles(arguments.description, arguments)
    if arguments.layer is not None:
        raise InputError(
            "is an option of attention descriptions", where="--layer", hint="leave it out"
        )
    check_sources([arguments.description], folders=True)
    base = read_description(arguments, ranges=True)
    bounds = combinations(sweep(arguments.bounds, "--bounds", BOUNDS), "--bounds") if (
        arguments.bounds is not None
    ) else [{}]  # fmt: skip
    space = combinations(sweep(arguments.space, "--space", SPACE), "--space") if (
        arguments.space is not None
    ) else [{}]  # fmt: skip
    if len(bounds) * len(space) > MAX_POINTS:
        raise InputError(f"{len(bounds) * len(space)} combinations, beyond {MAX_POINTS}")
    given = [(b, s) for b in bounds for s in space]
    points = _predict(base, given, arguments)
    if arguments.json:
        found = list(points)
        print_json({"name": base.name, "points": [_figures(point) for point in found]})
    elif len(given) == 1 and not arguments.csv:
        found = list(points)
        print(_breakdown(found[0]))
    else:
        found = _print_rows([{**b, **s} for b, s in given], points, as_csv=arguments.csv)
    _remark_waits(found)
    return 0


def _remark_waits(points: Sequence[_Point]) -> None:
    from accelgen.report import waiting

    waits = [point for point in points if point.cycles.chain_wait]
    if len(points) == 1 and waits:
        remark(waiting(waits[0].cycles))
    elif waits:
        remark(
            f"in {len(waits)} of {len(points)} points cycles wait for shift chains; "
            f"first: {waits[0].name}: {waiting(waits[0].cycles)}"
        )


def _predict(
    base: Description,
    given: list[tuple[dict[str, int], dict[str, int]]],
    arguments: argparse.Namespace,
) -> Iterator[_Point]:
    """Predict point after point, with progress on the terminal when there are several."""
    from rich.console import Console
    from rich.progress import track

    from accelgen.pipeline import predict

    for bounds, space in track(
        given,
        description=f"predicting {base.name}",
        console=Console(stderr=True),
        transient=True,
        # Rows that are printed as they come need no other sign of progress.
        disable=len(given) == 1 or not arguments.json or not sys.stderr.isatty(),
    ):
        values = {**bounds, **space}
        with within(_name(values)) if values else nullcontext():
            description = base.with_overrides(bounds=bounds, space=space)
            cycles = predict(
                description,
                period=arguments.period,
                technology=arguments.technology,
                bus_bits=arguments.bus,
                without=passes_without(arguments),
            )
        yield _Point(values, description, cycles)


def _name(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _print_rows(
    given: Sequence[dict[str, int]], points: Iterable[_Point], *, as_csv: bool
) -> list[_Point]:
    """Print a row per point as soon as it is known; all have the names of the first."""
    widths = [max(len(name), *(len(str(row[name])) for row in given)) for name in given[0]]
    widths += [len(name) for name in _RESULTS]

    def show(cells: Sequence[object]) -> None:
        if as_csv:
            print(*cells, sep=",", flush=True)
            return
        *others, last = (str(cell) for cell in cells)
        columns = [cell.rjust(width) for cell, width in zip(others, widths, strict=False)]
        print(*columns, last, sep="  ", flush=True)

    printed: list[_Point] = []
    for point in points:
        if not printed:
            show([*given[0], *_RESULTS])
        printed.append(point)
        cycles = point.cycles
        results = (cycles.compute_cycles, cycles.total_cycles, f"{cycles.utilisation:.4f}")
        show([*point.given.values(), *results])
    return printed


def _breakdown(point: _Point) -> str:
    from accelgen.report import cycle_rows

    work, flow = point.description.workload, point.description.dataflow
    bounds = " ".join(f"{k}={n}" for k, n in work.bounds.items())
    array = " x ".join(map(str, flow.space.values()))
    return "\n".join(
        [
            f"{point.description.name}: {work.expression}, {bounds}, on {array} units",
            table(cycle_rows(point.cycles), indent="  "),
            f"  utilisation     {point.cycles.utilisation:.4f}",
        ]
    )


def _figures(point: _Point) -> dict[str, object]:
    from accelgen.report import cycle_rows

    return {
        "bounds": dict(point.description.workload.bounds),
        "space": dict(point.description.dataflow.space),
        **{name.replace(" ", "_"): cycles for name, cycles, _ in cycle_rows(point.cycles)},
        "chain_wait": point.cycles.chain_wait,
        "utilisation": round(point.cycles.utilisation, 6),
    }


CYCLES = Command("cycles", "predict cycles, without Verilog", _add_arguments, _cycles)
