"""``accelgen codesign --compare``: strategies side by side."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from accelgen.cli.command import print_json, remark, table
from accelgen.cli.search_progress import INTERRUPTED, shown

if TYPE_CHECKING:
    from accelgen.search import Search
    from accelgen.search.comparison.compare import Comparison
    from accelgen.search.comparison.strategies import Strategy

__all__ = ["SEEDS", "compare_strategies"]

SEEDS = (0, 1, 2, 3, 4)


def compare_strategies(search: Search, folder: Path, arguments: argparse.Namespace) -> int:
    """Compare, write and print; the exit code."""
    from accelgen.errors import InputError
    from accelgen.search.comparison.compare import compare
    from accelgen.search.comparison.strategies import strategies_of

    seeds = tuple(dict.fromkeys(arguments.seeds or SEEDS))
    if min(seeds) < 0:
        raise InputError(f"{min(seeds)}", where="--seeds", hint="use 0 and more")
    names = strategies_of(search)
    if "sequential" not in names:
        remark("the search is of one part: there is no sequence of parts to compare with")
    if "sizing" not in names:
        remark("the hardware is given: there are no sizes to compare with")
    found = shown(
        search.name,
        folder,
        lambda state: f"hypervolume {state.hypervolume:.3g}",
        lambda progress: compare(
            search,
            folder,
            seeds,
            jobs=arguments.jobs,
            executor=arguments.executor,
            address=arguments.address,
            progress=progress,
            resume=arguments.resume,
        ),
    )
    if found is None:
        return INTERRUPTED
    for run in (run for runs in found.runs.values() for run in runs if run.ended):
        remark(f"{run.strategy}, seed {run.seed}, ended after {len(run.steps)}: {run.ended}")
    found.write(folder)
    pictures = _draw(found, folder)
    if arguments.json:
        written = found.to_json()
        del written["schema"]
        print_json({**written, "results": str(folder), "pictures": pictures})
    else:
        print(_summary(found, folder))
    joint = found.runs["joint"][0].phases[0]
    if joint.result.table.feasible.any():
        following = search.subject.next_command(joint.folder, joint.result.best)
        print(f"next: {shlex.join(following)}", file=sys.stderr)
    return 0


def _draw(found: Comparison, folder: Path) -> list[str]:
    from accelgen.search.comparison.pictures import draw_comparison

    return [str(path) for path in draw_comparison(found, folder)]


def _summary(found: Comparison, folder: Path) -> str:
    search = found.search
    seeds = ", ".join(map(str, found.seeds))
    lines = [
        f"{search.name}: {', '.join(found.runs)}, {search.evaluations} evaluations each, "
        f"seeds {seeds}; {', '.join(search.objectives)}",
        f"  within {search.subject.about}",
    ]
    rows: list[tuple[object, ...]] = [
        ("strategy", "hypervolume", "least", "most", "designs", "joint needs", "of all")
    ]
    for name, curves in found.curves.items():
        finals = sorted(curves[:, -1])
        designs = max(len(run.steps) for run in found.runs[name])
        rows.append(
            (name, *(f"{x:.4g}" for x in (median(finals), finals[0], finals[-1])), designs,
             *_needs(found, name))
        )  # fmt: skip
    lines.append(table(rows, indent="  "))
    lines.append(f"  results  {folder}")
    return "\n".join(lines)


def _needs(found: Comparison, name: Strategy) -> tuple[str, str]:
    """Evaluations by seed, and the median as part of all."""
    if name == "joint":
        return "", ""
    reached = found.reached(name)
    needed = " ".join("never" if x is None else str(x) for x in reached.evaluations)
    return needed, "never" if reached.fraction is None else f"{100 * reached.fraction:.0f} %"
