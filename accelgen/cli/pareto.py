"""``accelgen pareto``."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.command import Command, add_json, print_json, remark, table
from accelgen.cli.sweep import figure

if TYPE_CHECKING:
    from accelgen.sweep import Results
    from accelgen.sweep.front import Explanation

__all__ = ["PARETO"]

_SHOWN = 40
"""Most rows of the front that are printed."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", metavar="RESULTS", help="what accelgen sweep or codesign wrote")
    parser.add_argument(
        "--objectives", metavar="NAME,...",
        help="metrics or columns of numbers (default: the objectives of the sweep)",
    )  # fmt: skip
    parser.add_argument(
        "--point", type=int, metavar="N", help="compare this point with its neighbours on the front"
    )
    parser.add_argument("--png", metavar="FILE", help="draw the front as PNG")
    parser.add_argument("--svg", metavar="FILE", help="draw the front as SVG")
    add_json(parser)


def _pareto(arguments: argparse.Namespace) -> int:
    from accelgen.errors import InputError
    from accelgen.sweep import Results, explain, pareto_front
    from accelgen.sweep.front import objective_names
    from accelgen.sweep.picture import draw_front

    files = {".png": arguments.png, ".svg": arguments.svg}
    for suffix, file in files.items():
        if file is not None and Path(file).suffix.lower() != suffix:
            name = f"{Path(file).stem or 'front'}{suffix}"
            raise InputError(f"no {suffix} file", where=file, hint=f"name it {name}")
    results = Results.read(Path(arguments.results))
    given = None
    if arguments.objectives is not None:
        given = [name.strip() for name in arguments.objectives.split(",")]
    names = objective_names(results, given)
    for name in sorted({*results.objectives} - {*names}) if given is None else ():
        remark(f"{results.name}: {name} is not known of any point, and left out")
    front = pareto_front(results, names)
    said = None if arguments.point is None else explain(results, arguments.point, names)
    drawn = [
        draw_front(results, Path(file), names, arguments.point)
        for file in files.values()
        if file is not None
    ]
    if arguments.json:
        figures = _figures(results, names, front, said)
        print_json({**figures, "pictures": [str(path) for path in drawn]})
        return 0
    print(_table(results, names, front))
    if said is not None:
        print(_explained(results, names, said))
    for path in drawn:
        print(path)
    folder = Path(arguments.results)
    folder = folder.parent if folder.is_file() else folder
    words = ["accelgen", "pareto", arguments.results, "--point", str(front[0])]
    if said is None and given is not None:
        words += ["--objectives", arguments.objectives]
    if said is not None:
        words = ["accelgen", "realize", str(folder), "--point", str(said.point)]
    if said is None or _can_be_built(folder, said.point):
        print(f"next: {shlex.join(words)}", file=sys.stderr)
    return 0


def _can_be_built(results: Path, point: int) -> bool:
    """Whether ``accelgen realize`` takes the point."""
    from accelgen.errors import InputError
    from accelgen.realize.point import read_point

    try:
        read_point(results, point)
    except InputError:
        return False
    return True


def _figures(
    results: Results, names: tuple[str, ...], front: tuple[int, ...], said: Explanation | None
) -> dict[str, object]:
    found: dict[str, object] = {
        "name": results.name,
        "points": len(results),
        "feasible": int(results.feasible.sum()),
        "objectives": names,
        "front": [results.row(number) for number in front],
    }
    if said is not None:
        found["explained"] = {
            "point": results.row(said.point),
            "on_front": said.on_front,
            "changes": [
                {
                    "point": change.point,
                    "fields": {name: [old, new] for name, old, new in change.fields},
                    "ratios": dict(change.ratios),
                }
                for change in said.changes
            ],
        }
    return found


def _table(results: Results, names: tuple[str, ...], front: tuple[int, ...]) -> str:
    from accelgen.sweep.metrics import ACCURACY_FROM

    columns = [*names, *(field for field in results.fields if field not in names)]
    rows: list[tuple[object, ...]] = [("point", *columns)]
    for number in front[:_SHOWN]:
        row = results.row(number)
        rows.append((number, *(figure(row[column]) for column in columns)))
    lines = [
        f"{results.name}: {len(front)} of {int(results.feasible.sum())} feasible points "
        f"({len(results)} in all) are on the front of {', '.join(names)}",
        table(rows, indent="  "),
    ]
    judged = {row for row in results.columns.get(ACCURACY_FROM, ()) if row is not None}
    if "accuracy" in names and judged:
        lines.insert(1, f"  accuracy {'; '.join(sorted(map(str, judged)))}")
    if len(front) > _SHOWN:
        lines.append(f"  and {len(front) - _SHOWN} more; --json has all")
    return "\n".join(lines)


def _explained(results: Results, names: tuple[str, ...], said: Explanation) -> str:
    row = results.row(said.point)
    values = ", ".join(f"{name} {figure(row[name])}" for name in names)
    fields = ", ".join(f"{name} {figure(row[name])}" for name in results.fields)
    if said.reason is not None:
        where = f"infeasible: {said.reason}"
    elif said.on_front:
        where = "on the front; its neighbours there:"
    else:
        where = "not on the front; beaten there by:"
    lines = [f"point {said.point}: {fields}", f"  {values}", f"  {where}"]
    for change in said.changes:
        changed = ", ".join(f"{n} {figure(a)} -> {figure(b)}" for n, a, b in change.fields)
        buys = ", ".join(f"{name} {_percent(ratio)}" for name, ratio in change.ratios)
        lines.append(f"  point {change.point}: {changed or 'the same fields'}: {buys or 'no more'}")
    return "\n".join(lines)


def _percent(ratio: float) -> str:
    if ratio >= 3 or 0 < ratio <= 1 / 3:
        return f"x {ratio:.3g}"
    return f"{100 * (ratio - 1):+.1f} %"


PARETO = Command(
    "pareto", "the best points of a sweep, drawn and explained", _add_arguments, _pareto
)
