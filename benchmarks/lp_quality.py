"""How many register bits delay matching by linear programming saves, and how integral it is.

    python -m benchmarks.lp_quality > RESULT.json

Over the shipped dataflows as shipped, on both technologies: register bits on edges by the linear
program, and with everything as early as possible (greedy).  Linear programs solved, and those whose
optimum was fractional and that were solved again as integer programs, are counted, on these and on
``--random`` designs of random dataflows.  The exit code is 1 when a mark is missed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from statistics import mean, median

from hypothesis import HealthCheck, Phase, given, settings

from accelgen.affine import Description
from accelgen.content import list_content
from accelgen.pipeline import design
from benchmarks.record import Mark, emit, header, progress, table
from tests.affine.strategies import descriptions

LEAST = 0.15
"""The share of greedy's register bits to be saved on average."""

TECHNOLOGIES = ("sg13g2", "asap7")


@dataclass(frozen=True)
class Row:
    """One design."""

    name: str
    technology: str
    lp: int
    greedy: int
    programs: int
    fallbacks: int

    @property
    def saved(self) -> float:
        """The share of greedy's bits."""
        return 1 - self.lp / self.greedy


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=300, metavar="N", help="random designs")
    options = parser.parse_args()
    result = header("lp_quality")
    rows = []
    for file in list_content("dataflows"):
        name = file.removesuffix(".yaml")
        progress(f"{name} ...")
        rows += [_row(name, technology) for technology in TECHNOLOGIES]
    programs, fallbacks, worse = _random(options.random)
    figures = {technology: _figures(rows, technology) for technology in TECHNOLOGIES}
    main_figures = figures[TECHNOLOGIES[0]]
    marks = [
        # Marks are upper limits: of what is left, and of what must not be.
        Mark("LP over greedy, mean", 1 - LEAST, round(1 - main_figures["mean"], 4), "x"),
        Mark("designs in which LP is above greedy", 0, worse + _worse(rows), "designs"),
    ]
    result["parameters"] = {"random": options.random}
    result["designs"] = [
        {
            **asdict(row),
            "saved": round(row.saved, 4),
        }
        for row in rows
    ]
    result["saved"] = figures
    result["programs"] = {
        "shipped": sum(row.programs for row in rows),
        "shipped_fallbacks": sum(row.fallbacks for row in rows),
        "random": programs,
        "random_fallbacks": fallbacks,
    }
    result["marks"] = [mark.to_json() for mark in marks]
    emit(result)
    progress(_text(rows, figures, result["programs"]))
    for mark in marks:
        progress(str(mark))
    return 0 if all(mark.met for mark in marks) else 1


def _row(name: str | Description, technology: str) -> Row:
    made = design(name, technology=technology)
    pipeline = made.pipeline
    title = name if isinstance(name, str) else name.name
    return Row(
        title,
        technology,
        pipeline.bits,
        pipeline.greedy_bits,
        pipeline.solution.programs,
        pipeline.solution.fallbacks,
    )


def _random(count: int) -> tuple[int, int, int]:
    """Programs, fallbacks, and designs worse than greedy, of random dataflows."""
    rows: list[Row] = []

    @given(descriptions())
    @settings(
        max_examples=max(1, count),
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def draw(description: Description) -> None:
        rows.append(_row(description, TECHNOLOGIES[0]))

    if count:
        draw()
    programs, fallbacks = (sum(row.programs for row in rows), sum(row.fallbacks for row in rows))
    return programs, fallbacks, _worse(rows)


def _worse(rows: list[Row]) -> int:
    return sum(row.lp > row.greedy for row in rows)


def _figures(rows: list[Row], technology: str) -> dict[str, float]:
    saved = [row.saved for row in rows if row.technology == technology]
    total = [row for row in rows if row.technology == technology]
    return {
        "mean": round(mean(saved), 4),
        "median": round(median(saved), 4),
        "least": round(min(saved), 4),
        "most": round(max(saved), 4),
        "of_all_bits": round(1 - sum(r.lp for r in total) / sum(r.greedy for r in total), 4),
    }


def _text(rows: list[Row], figures: dict[str, dict[str, float]], programs: object) -> str:
    heading = ["design", "technology", "LP bits", "greedy bits", "saved"]
    cells = [[row.name, row.technology, row.lp, row.greedy, f"{row.saved:.1%}"] for row in rows]
    return f"{table(heading, cells)}\n{figures}\n{programs}"


if __name__ == "__main__":
    sys.exit(main())
