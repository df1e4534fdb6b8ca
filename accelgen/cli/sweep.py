"""``accelgen sweep``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.command import Command, add_json, print_json, remark, table
from accelgen.cli.options import add_workers
from accelgen.cli.progress import counting

if TYPE_CHECKING:
    from accelgen.sweep import Outcome, Results, Sweep

__all__ = ["SWEEP", "figure"]

_SHOWN_REASONS = 3
_NOT_BUILT = "cannot be mapped or built"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sweep", metavar="SWEEP", help="a YAML file, or a shipped sweep")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="results, Parquet (default: <name>.parquet)"
    )
    parser.add_argument(
        "--journal", metavar="FILE",
        help="what is known of points, to go on from (default: the results with .journal)",
    )  # fmt: skip
    add_workers(parser)
    add_json(parser)


def _sweep(arguments: argparse.Namespace) -> int:
    from accelgen.errors import InputError
    from accelgen.sweep import load_sweep, run

    sweep = load_sweep(arguments.sweep)
    output = Path(arguments.output or f"{sweep.name}.parquet")
    if output.is_dir() or output.suffix == ".journal":
        raise InputError("cannot hold the results", where=str(output), hint="name another file")
    journal = Path(arguments.journal or output.with_suffix(".journal"))
    known = [0, 0]
    try:
        with counting(sweep.name, "points") as shown:

            def progress(done: int, total: int, evaluated: int) -> None:
                known[:] = done, total
                shown.step(done, total)

            outcome = run(
                sweep,
                journal,
                jobs=arguments.jobs,
                executor=arguments.executor,
                address=arguments.address,
                progress=progress,
            )
    except KeyboardInterrupt:
        remark(
            f"interrupted with {known[0]} of {known[1]} points in {journal}; "
            "the same command goes on from there"
        )
        return 130
    if outcome.dropped:
        remark(f"{journal}: {outcome.dropped} damaged lines were left out and computed again")
    outcome.results.write(output)
    if arguments.json:
        print_json(_figures(sweep, outcome, output, journal))
    else:
        print(_summary(outcome, output, journal))
    if not outcome.results.feasible.any():
        from accelgen.sweep import pareto_front

        pareto_front(outcome.results)  # says which constraint binds
    print(f"next: accelgen pareto {shlex.quote(str(output))}", file=sys.stderr)
    return 0


def figure(value: object) -> str:
    """A number with four figures."""
    if isinstance(value, float):
        return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return "-" if value is None else str(value)


def _best(results: Results) -> Iterator[tuple[str, int]]:
    """Per objective of the sweep the number of its best feasible point."""
    from accelgen.sweep import pareto_front

    for objective in results.objectives:
        if objective in results.numeric and results.feasible.any():
            yield objective, pareto_front(results, [objective])[0]


def _reasons(results: Results) -> Counter[str]:
    """Infeasible points by what keeps them out: constraints, and everything else as errors."""
    found: Counter[str] = Counter()
    for reason in results.columns["reason"]:
        if reason is not None:
            wanted = [c for c in results.constraints if f", {c} is wanted" in str(reason)]
            found.update(wanted or [_NOT_BUILT])
    return found


def _errors(results: Results) -> Counter[str]:
    """What is wrong with points that cannot be mapped or built, and with how many."""
    limits = [f", {c} is wanted" for c in results.constraints]
    return Counter(
        str(reason)
        for reason in results.columns["reason"]
        if reason is not None and not any(limit in str(reason) for limit in limits)
    )


def _error_lines(results: Results) -> Iterator[str]:
    """The most frequent of these, each on a line."""
    found = _errors(results)
    for text, count in found.most_common(_SHOWN_REASONS):
        yield f"    {count}: {text if len(text) <= 110 else f'{text[:107]}...'}"
    if len(found) > _SHOWN_REASONS:
        yield f"    and {len(found) - _SHOWN_REASONS} other reasons, in the results"


def _figures(sweep: Sweep, outcome: Outcome, output: Path, journal: Path) -> dict[str, object]:
    results = outcome.results
    return {
        "name": sweep.name,
        "points": len(results),
        "feasible": int(results.feasible.sum()),
        "infeasible": dict(_reasons(results)),
        "errors": dict(_errors(results).most_common(_SHOWN_REASONS)),
        "evaluated": outcome.evaluated,
        "alike": outcome.alike,
        "reused": outcome.reused,
        "dropped": outcome.dropped,
        "seconds": round(outcome.seconds, 3),
        "best": {name: results.row(number) for name, number in _best(results)},
        "results": str(output),
        "journal": str(journal),
    }


def _summary(outcome: Outcome, output: Path, journal: Path) -> str:
    results = outcome.results
    rate = f", {outcome.evaluated / outcome.seconds:.3g} per second" if outcome.evaluated else ""
    alike = f", {outcome.alike} alike" if outcome.alike else ""
    lines = [
        f"{results.name}: {len(results)} points, {outcome.evaluated} evaluated{rate}{alike}, "
        f"{outcome.reused} known before"
    ]
    for name, count in _reasons(results).items():
        lines.append(f"  infeasible  {count} by {name}")
        lines += _error_lines(results) if name == _NOT_BUILT else []
    rows: list[tuple[object, ...]] = [("least", "point", *results.objectives, *results.fields)]
    for name, number in _best(results):
        row = results.row(number)
        shown = (*results.objectives, *results.fields)
        rows.append((name, number, *(figure(row[column]) for column in shown)))
    if len(rows) > 1:
        lines.append(table(rows, indent="  "))
    lines += [f"  results  {output}", f"  journal  {journal}"]
    return "\n".join(lines)


SWEEP = Command(
    "sweep", "latency, energy and area of the points of a design space", _add_arguments, _sweep
)
