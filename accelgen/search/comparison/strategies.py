"""Ways to spend the same evaluations: all at once, part after part, or on sizes alone.

- ``joint``: the search as it is.
- ``sequential``: first the network, with hardware and bits as in the references of their spaces;
  then bits for the networks on that front; then hardware for the networks with bits on that one.
  Every phase has an equal part of what is left of the evaluations, and knows what those before
  found.  All that it judged is its result.
- ``greedy``: as ``sequential``, but a phase hands on one design, as who decides one thing after the
  other does: of the front the one that is nearest to the ideal point, the best of every objective.
- ``sizing``: sizes of the reference hardware, with the reference of all other parts.

References are within the budget that is searched, so that no strategy may use more than another.

Searches of hardware alone have no phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from accelgen.errors import InputError
from accelgen.names import FrozenMap
from accelgen.search.hypervolume import logarithms
from accelgen.search.results import SearchResult, Step
from accelgen.search.search import Search
from accelgen.search.space import Given, Joint, Referenced, Sizable
from accelgen.search.study import NoDesignError, Progress, State, run
from accelgen.sweep.front import non_dominated

__all__ = [
    "PHASES", "STRATEGIES", "Phase", "Run", "Strategy", "front_of", "objectives_of", "run_strategy",
    "shifted", "strategies_of",
]  # fmt: skip

Strategy = Literal["joint", "sequential", "greedy", "sizing"]
STRATEGIES: tuple[Strategy, ...] = ("joint", "sequential", "greedy", "sizing")
_PHASED: tuple[Strategy, ...] = ("sequential", "greedy")

PHASES = ("network", "bits", "hardware")
"""The parts that a sequential search decides one after the other."""


@dataclass(frozen=True, eq=False)
class Phase:
    """A search that was part of a strategy, with the folder of its journal."""

    folder: Path
    result: SearchResult


@dataclass(frozen=True, eq=False)
class Run:
    """What a strategy found with a seed, by phases; ``evaluated`` designs here, the others were in
    journals.  ``ended`` is why it ended before all phases were searched; the steps until then are
    its result.
    """

    strategy: Strategy
    seed: int
    phases: tuple[Phase, ...]
    evaluated: int
    ended: str = ""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All judged designs, in order."""
        return tuple(step for phase in self.phases for step in phase.result.steps)


def strategies_of(search: Search) -> tuple[Strategy, ...]:
    """Those that make sense for a search.

    Raises :class:`InputError` where it is of sizes alone already, and where no reference is
    within the budget.
    """
    space = _joint(search)
    if not all(isinstance(part, Referenced) for part in space.spaces.values()):
        raise InputError(
            "has nothing to compare with: it searches sizes alone",
            where=search.name,
            hint="space: importance",
        )
    _references(space)
    left_out: set[Strategy] = set()
    if len(_order(space)) < 2:
        left_out.update(_PHASED)
    if not any(isinstance(part, Sizable) for part in space.spaces.values()):
        left_out.add("sizing")
    return tuple(name for name in STRATEGIES if name not in left_out)


def run_strategy(
    search: Search,
    strategy: Strategy,
    folder: Path,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    **options: Any,  # noqa: ANN401 - those of accelgen.search.study.run
) -> Run:
    """Spend ``search.evaluations`` as a strategy does, with journals in ``folder``.

    A space that is exhausted ends a phase, and what is left goes to those after it; a strategy may
    end with fewer.  ``progress`` is told of all phases together.  Raises what
    :func:`accelgen.search.study.run` raises; but of another strategy than ``joint`` it is a result
    that a phase has no design, or that none is feasible before the next (``Run.ended``).
    """
    space = _joint(search)
    phases: list[Phase] = []
    steps: list[Step] = []
    done: list[tuple[Search, Step]] = []
    evaluated, ended = 0, ""
    names = _order(space) if strategy in _PHASED else (strategy,)
    for number, name in enumerate(names):
        left = search.evaluations - len(steps)
        part = left // (len(names) - number)
        if not part:
            continue
        if strategy in _PHASED:
            found = _phase(search, name, done, one=strategy == "greedy")
            if found is None:
                ended = f"no design is feasible before {name} is searched"
                break
            here: Joint | Given = found
        else:
            here = space if strategy == "joint" else _sizing(space)
        asked = replace(search, space=here, evaluations=part)
        where = folder / name if len(names) > 1 else folder
        try:
            outcome = run(
                asked, where / "journal", jobs=jobs, resume=resume, known=steps,
                progress=progress and shifted(progress, len(steps), search.evaluations), **options,
            )  # fmt: skip
        except NoDesignError as error:
            if strategy == "joint":
                raise
            ended = error.message
            break
        phases.append(Phase(where, outcome.result))
        steps += outcome.result.steps
        done += [(asked, step) for step in outcome.result.steps]
        evaluated += outcome.evaluated
    return Run(strategy, search.seed, tuple(phases), evaluated, ended)


def shifted(progress: Progress, begin: int, total: int) -> Progress:
    """The progress of a part that begins after ``begin`` of ``total`` designs."""

    def told(state: State) -> None:
        progress(replace(state, done=begin + state.done, total=total, seconds_left=None))

    return told


def front_of(search: Search, steps: Sequence[Step]) -> tuple[int, ...]:
    """The numbers of the feasible steps that no other beats, by the first objective; of steps with
    the same values the first.
    """
    values = objectives_of(search, steps)
    numbers = np.flatnonzero(non_dominated(values))
    _, first = np.unique(values[numbers], axis=0, return_index=True)
    return tuple(int(numbers[k]) for k in first)


def objectives_of(search: Search, steps: Sequence[Step]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A row per step, less being better; NaN where one is not feasible."""
    none = (np.nan,) * len(search.objectives)
    rows = [(None if x.reason else search.weighed(x.figures)) or none for x in steps]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(search.objectives))


def _joint(search: Search) -> Joint:
    if isinstance(search.space, Given):
        raise InputError("is a phase of a search", where=search.name, hint="compare the whole")
    return search.space


def _order(space: Joint) -> tuple[str, ...]:
    """The parts, as a sequential search decides them."""
    names = sorted(space.spaces, key=lambda x: PHASES.index(x) if x in PHASES else len(PHASES))
    return tuple(name for name in names if space.spaces[name].genes)


def _references(space: Joint) -> FrozenMap[str, Any]:
    return FrozenMap(
        {
            name: part.reference
            for name, part in space.spaces.items()
            if isinstance(part, Referenced)
        }
    )


def _phase(
    search: Search, name: str, done: Sequence[tuple[Search, Step]], *, one: bool
) -> Given | None:
    """The part ``name`` alone, with the others as in the front of what is done, or as in ``one`` of
    it; ``None`` where nothing of that is feasible.
    """
    space = _joint(search)
    given = [_references(space)]
    if done:
        steps = [step for _, step in done]
        front = front_of(search, steps)
        if not front:
            return None
        if one:
            front = (_nearest_ideal(search, steps, front),)
        decoded = [asked.space.decode(step.vector) for asked, step in (done[k] for k in front)]
        given = [values for values in decoded if isinstance(values, FrozenMap)]
    others = [
        FrozenMap({part: value for part, value in values.items() if part != name})
        for values in given
    ]
    # By their text, for hardware has lists, which have no hash.
    distinct = {repr(values): values for values in others}
    return Given({name: space.spaces[name]}, tuple(distinct.values()))


def _nearest_ideal(search: Search, steps: Sequence[Step], front: Sequence[int]) -> int:
    """The one of a front that is nearest to the ideal point; objectives are logarithms, scaled to
    their range on the front.
    """
    values = logarithms(objectives_of(search, [steps[k] for k in front]))
    low, high = values.min(axis=0), values.max(axis=0)
    away = (values - low) / np.where(high > low, high - low, 1.0)
    return front[int((away**2).sum(axis=1).argmin())]


def _sizing(space: Joint) -> Given:
    sizes = [part.sizing for part in space.spaces.values() if isinstance(part, Sizable)]
    if not sizes:
        raise InputError("hardware without sizes", where="hardware", hint="space: importance")
    return Given({"hardware": sizes[0]}, (_references(space),))
