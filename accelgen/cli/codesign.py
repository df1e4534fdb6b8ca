"""``accelgen codesign``."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelgen.cli.codesign_compare import compare_strategies
from accelgen.cli.command import Command, add_json, print_json, remark, table
from accelgen.cli.options import add_workers
from accelgen.cli.search_progress import INTERRUPTED, shown
from accelgen.cli.sweep import figure

if TYPE_CHECKING:
    from accelgen.search import Outcome, Search, SearchResult, State

__all__ = ["CODESIGN"]

_SHOWN = 20
"""Most points of the front that are printed."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("search", metavar="SEARCH", help="a YAML file, or a shipped search")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="results and journal (default: <name>_search, or _comparison)",
    )
    parser.add_argument(
        "--evaluations", type=int, metavar="N", help="designs to judge (default: the file's)"
    )
    parser.add_argument("--seed", type=int, metavar="S", help="default: the file's")
    parser.add_argument(
        "--compare", action="store_true",
        help="beside it, part after part and sizes alone, at as many evaluations",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=int, nargs="+", metavar="S", help="of --compare (default: 0 1 2 3 4)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the journal in the output folder"
    )
    add_workers(parser)
    add_json(parser)


def _codesign(arguments: argparse.Namespace) -> int:
    from accelgen.errors import InputError
    from accelgen.search import load_search, run

    changes: dict[str, Any] = {
        key: value
        for key in ("evaluations", "seed")
        if (value := getattr(arguments, key)) is not None
    }
    if arguments.compare and arguments.seed is not None:
        raise InputError("a comparison has several", where="--seed", hint="use --seeds")
    if arguments.seeds and not arguments.compare:
        raise InputError("a search has one seed", where="--seeds", hint="add --compare")
    search = load_search(arguments.search, **changes)
    kind = "comparison" if arguments.compare else "search"
    folder = Path(arguments.output or f"{search.name}_{kind}")
    if folder.exists() and not folder.is_dir():
        raise InputError("is no folder", where=str(folder), hint="name another with -o")
    if arguments.compare:
        return compare_strategies(search, folder, arguments)
    journal = folder / "journal"
    outcome = shown(
        search.name,
        journal,
        lambda state: _said(search, state),
        lambda progress: run(
            search,
            journal,
            jobs=arguments.jobs,
            executor=arguments.executor,
            address=arguments.address,
            progress=progress,
            resume=arguments.resume,
        ),
    )
    if outcome is None:
        return INTERRUPTED
    if outcome.dropped:
        remark(f"{journal}: {outcome.dropped} damaged lines were left out and computed again")
    result = outcome.result
    if len(result.steps) < search.evaluations:
        remark(f"nothing new was found after {len(result.steps)} of {search.evaluations} designs")
        if outcome.rejected:
            said = max(outcome.rejected, key=lambda reason: outcome.rejected[reason])
            remark(f"{sum(outcome.rejected.values())} vectors were rejected, most often: {said}")
    first = result.best  # raises when nothing is feasible, and says why
    result.write(folder)
    pictures = _draw(result, folder)
    if arguments.json:
        print_json({**_figures(outcome), "results": str(folder), "pictures": pictures})
    else:
        print(_summary(outcome, folder))
    print(f"next: {shlex.join(search.subject.next_command(folder, first))}", file=sys.stderr)
    return 0


def _said(search: Search, state: State) -> str:
    """What is shown in front of the bar, behind the name."""
    said = []
    if state.best is not None:
        said.append(f"best {search.objectives[0]} {figure(abs(state.best))}")
    if len(search.objectives) > 1 and state.hypervolume:
        said.append(f"hypervolume {state.hypervolume:.3g}")
    return ", ".join(said)


def _draw(result: SearchResult, folder: Path) -> list[str]:
    from accelgen.search.pictures import draw_all

    return [str(path) for path in draw_all(result, folder)]


def _figures(outcome: Outcome) -> dict[str, object]:
    found = outcome.result.to_json()
    del found["schema"]
    return {
        **found,
        "evaluated": outcome.evaluated,
        "reused": outcome.reused,
        "probed": outcome.probed,
        "seconds": round(outcome.seconds, 3),
    }


def _summary(outcome: Outcome, folder: Path) -> str:
    from accelgen.search.subject import Probed

    result = outcome.result
    search, rows_of = result.search, result.table
    front = result.front
    objectives = ", ".join(search.objectives)
    lines = [
        f"{search.name}: {len(result.steps)} designs, {outcome.evaluated} evaluated, "
        f"{outcome.reused} known before, {int(rows_of.feasible.sum())} feasible; "
        f"{len(front)} on the front of {objectives}",
        f"  within {search.subject.about}",
    ]
    if outcome.probed and isinstance(search.subject, Probed):
        names = ", ".join(search.subject.probed)
        lines.append(f"  {names} measured alone, before, of {outcome.probed} candidates")
    if len(search.objectives) > 1 and (volume := result.hypervolume()) is not None:
        lines.append(f"  hypervolume {volume:.4g}")
    rows: list[tuple[object, ...]] = [("point", *_metrics(search), *search.subject.shown)]
    for number in front[:_SHOWN]:
        row = rows_of.row(number)
        rows.append(
            (number, *(figure(row[name]) for name in (*_metrics(search), *search.subject.shown)))
        )
    lines.append(table(rows, indent="  "))
    if len(front) > _SHOWN:
        lines.append(f"  and {len(front) - _SHOWN} more; --json has all")
    lines.append(f"  results  {folder}")
    return "\n".join(lines)


def _metrics(search: Search) -> tuple[str, ...]:
    """The objectives, latency and energy."""
    return tuple(dict.fromkeys((*search.objectives, "latency_ms", "energy_uj", "utilisation")))


CODESIGN = Command(
    "codesign", "search hardware within a budget, or networks, bits and kernels together",
    _add_arguments, _codesign,
)  # fmt: skip
