"""``accelgen cycles``."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelgen.cli.command import Command, add_json, print_json, table
from accelgen.cli.options import (
    BOUNDS,
    SPACE,
    add_description,
    add_hardware,
    read_description,
)
from accelgen.cli.values import MAX_POINTS, combinations, sweep
from accelgen.errors import InputError
from accelgen.names import within

if TYPE_CHECKING:
    from accelgen.affine import Description
    from accelgen.cycles import CycleModel

__all__ = ["CYCLES"]


@dataclass(frozen=True)
class _Point:
    """The cycles of a description with some values replaced by ``given``."""

    given: dict[str, int]
    description: Description
    cycles: CycleModel


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_description(parser, ranges=True)
    add_hardware(parser)
    add_json(parser)
    parser.add_argument("--csv", action="store_true", help="print the table as CSV")


def _cycles(arguments: argparse.Namespace) -> int:
    base = read_description(arguments, ranges=True)
    bounds = combinations(sweep(arguments.bounds, "--bounds", BOUNDS), "--bounds") if (
        arguments.bounds is not None
    ) else [{}]  # fmt: skip
    space = combinations(sweep(arguments.space, "--space", SPACE), "--space") if (
        arguments.space is not None
    ) else [{}]  # fmt: skip
    if len(bounds) * len(space) > MAX_POINTS:
        raise InputError(f"{len(bounds) * len(space)} combinations, beyond {MAX_POINTS}")
    points = _predict(base, [(b, s) for b in bounds for s in space], arguments)
    if arguments.json:
        print_json({"name": base.name, "points": [_figures(point) for point in points]})
    elif arguments.csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows(_rows(points))
    elif len(bounds) * len(space) == 1:
        print(_breakdown(next(points)))
    else:
        print(table(list(_rows(points))))
    return 0


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
        disable=len(given) == 1 or not sys.stderr.isatty(),
    ):
        point = ", ".join(f"{k}={n}" for k, n in {**bounds, **space}.items())
        with within(point) if point else nullcontext():
            description = base.with_overrides(bounds=bounds, space=space)
            cycles = predict(
                description,
                period=arguments.period,
                technology=arguments.technology,
                bus_bits=arguments.bus,
            )
        yield _Point({**bounds, **space}, description, cycles)


def _rows(points: Iterable[_Point]) -> Iterator[tuple[object, ...]]:
    for number, point in enumerate(points):
        if not number:
            yield (*point.given, "compute_cycles", "total_cycles", "utilisation")
        cycles = point.cycles
        yield (
            *point.given.values(),
            cycles.compute_cycles,
            cycles.total_cycles,
            f"{point.cycles.utilisation:.4f}",
        )


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
        "utilisation": round(point.cycles.utilisation, 6),
    }


CYCLES = Command("cycles", "predict cycles, without Verilog", _add_arguments, _cycles)
