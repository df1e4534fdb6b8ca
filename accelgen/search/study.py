"""Running a search: asked vectors become candidates, which are evaluated and told.

The journal holds what was computed, by content.  A search that goes on asks again from its
beginning, and finds what it asks for in the journal, until something is new: after ``kill -9``
only what was being computed is lost, and the same seed gives the same trials whatever the number of
processes, because all vectors of a batch are told together, in the order asked.

A design that was judged before is told again and judged no more: only new ones count as
evaluations.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from accelgen.errors import InputError
from accelgen.names import FrozenMap
from accelgen.search.hypervolume import Volume
from accelgen.search.optimisers.optimiser import Optimiser, optimiser_of
from accelgen.search.results import SearchResult, Step, result_of
from accelgen.search.search import Search
from accelgen.search.space import Given
from accelgen.search.subject import Candidate, TrialLike
from accelgen.search.vector import Rejected, Vector
from accelgen.store import Store
from accelgen.sweep.executors import Executor, Task
from accelgen.sweep.run import default_jobs, executor_of

__all__ = ["JOURNAL", "NoDesignError", "Outcome", "Progress", "State", "run"]

JOURNAL = "search"
"""The kind of the store that a journal is."""

_DEFINITION = "definition"
LIMIT = 4.0
"""A design that is worse than the best by this factor is not mapped to the end."""

_PATIENCE = 0.1
_IN_VAIN = 50
"""Batches without a new design after which a search ends."""
_FAILED = 30
"""Designs after which a search ends if errors are all that came of them (no way to map them, say,
is none: others may have one)."""


class NoDesignError(InputError):
    """Every vector was rejected, or ends in an error: a search without any design."""


@dataclass(frozen=True)
class State:
    """How far a search is: designs judged ``done`` of ``total``, ``evaluated`` here, ``rejected``
    vectors, the ``best`` value of the first objective (``None``: none yet), the hypervolume so far,
    and seconds left (``None``: not known).
    """

    done: int
    total: int
    evaluated: int
    rejected: int
    best: float | None
    hypervolume: float
    seconds_left: float | None


Progress = Callable[[State], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a search: its result, designs evaluated here, those found in the journal,
    lines of the journal that were damaged, seconds, why how many vectors were rejected, and how
    many figures were ``probed``: measured by themselves, of designs that may not be evaluated.
    """

    result: SearchResult
    evaluated: int
    reused: int
    dropped: int
    seconds: float
    rejected: Mapping[str, int]
    probed: int = 0


def run(
    search: Search,
    journal: str | Path,
    *,
    jobs: int | None = None,
    executor: Literal["local", "ray"] = "local",
    address: str | None = None,
    progress: Progress | None = None,
    task: Task[Any] | None = None,
    resume: bool = True,
    known: Sequence[Step] = (),
) -> Outcome:
    """Search until ``search.evaluations`` designs are judged, or nothing new is found.

    Designs of ``known`` steps, of another search of the same subject, are told and not judged.

    ``local`` uses ``jobs`` processes (1: this one; default: one per core), ``ray`` the cluster
    at ``address``; ``task`` evaluates trials in place of that of the subject. Raises
    :class:`InputError` for a journal of another search, for one that is there without
    ``resume``, and :class:`NoDesignError` when vector after vector is rejected, or design after
    design ends in an error.
    """
    start = time.monotonic()
    if jobs is not None and jobs < 1:
        raise InputError(f"{jobs} processes", where="--jobs", hint="use 1 or more")
    path = Path(journal)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", where=str(path.parent)) from error
    with Store(path, JOURNAL) as store:
        _begin(search, store, resume)
        study = _Study(search, store, progress, known)
        workers = executor_of(
            executor, task or search.subject.task, jobs or default_jobs(), address
        )
        optimiser = optimiser_of(search)
        try:
            study.run(optimiser, workers)
        finally:
            workers.close()
            store.sync()
        result = result_of(search, study.steps)
        return Outcome(
            result,
            study.evaluated,
            study.reused,
            store.dropped,
            time.monotonic() - start,
            FrozenMap(study.rejections),
            optimiser.probed,
        )


def _begin(search: Search, store: Store, resume: bool) -> None:
    """Say in the journal what it is of, or find that it is of this search."""
    wanted, found = dict(search.definition), store.get(_DEFINITION)
    if found is None:
        store.put(_DEFINITION, wanted)
        return
    if not isinstance(found, Mapping) or dict(found) != wanted:
        other = found if isinstance(found, Mapping) else {}
        named = [key for key, value in wanted.items() if other.get(key) != value]
        hint = "name another folder with -o, or remove this one"
        if named == ["space"] and isinstance(search.space, Given):
            # What a phase is given follows from how many designs those before it judged.
            hint = f"go on with the same --evaluations, {hint}"
        raise InputError(
            f"is of another search ({', '.join(named)} differ)", where=str(store.path), hint=hint
        )
    if not resume and len(store) > 1:
        raise InputError(
            f"has {len(store) - 1} designs of this search", where=str(store.path),
            hint="go on with --resume, or name another folder with -o",
        )  # fmt: skip


class _Study:
    """The loop of asking, evaluating and telling."""

    def __init__(
        self, search: Search, store: Store, progress: Progress | None, known: Sequence[Step]
    ) -> None:
        self.search, self.store, self.progress = search, store, progress
        self.steps: list[Step] = []
        self.evaluated = self.reused = 0
        self.rejections: Counter[str] = Counter()
        self._volume = Volume(len(search.objectives))
        self._best: float | None = None
        self._begun: float | None = None
        self._limit: float | None = None
        self._number = 0
        self._told: dict[str, tuple[float, ...] | None] = {
            step.key: None if step.reason else search.weighed(step.figures) for step in known
        }

    def run(self, optimiser: Optimiser, workers: Executor[Any]) -> None:
        vain = 0
        self._tell_progress(0)
        while len(self.steps) < self.search.evaluations:
            vectors = optimiser.ask()
            found = [self._candidate(vector) for vector in vectors]
            self._evaluate(found, workers)
            before = len(self.steps)
            optimiser.tell([(v, self._judge(v, x)) for v, x in zip(vectors, found, strict=True)])
            self._limit = self._next_limit()
            self._check_evaluations()
            vain = 0 if len(self.steps) > before else vain + 1
            if vain == _IN_VAIN:
                self._give_up(found)
                return

    def _check_evaluations(self) -> None:
        """Raise where evaluations only fail: what they ask does not work."""
        failed = [
            str(step.record["error"])
            for step in self.steps
            if "error" in step.record and "infeasible" not in step.record
        ]
        if len(failed) < max(_FAILED, len(self.steps)):
            return
        errors = Counter(failed)
        ((said, count),) = errors.most_common(1)
        others = f", {len(errors) - 1} more" if len(errors) > 1 else ""
        raise NoDesignError(
            f"all of {len(self.steps)} designs end in an error: {said} ({count} times{others})",
            where=self.search.name,
            hint="name another folder with -o once it is mended",
        )

    def _give_up(self, found: list[Candidate | Rejected]) -> None:
        """End a search that finds nothing new; raise where it never found anything."""
        reasons = [x.reason for x in found if isinstance(x, Rejected)]
        if reasons and not self.steps and not self._told:
            raise NoDesignError(
                f"no vector of the last {_IN_VAIN} batches is a design: {reasons[-1]}",
                where=self.search.name,
                hint="change what the search offers",
            )

    def _candidate(self, vector: Vector) -> Candidate | Rejected:
        self._number += 1
        return self.search.candidate(self._number - 1, vector)

    def _evaluate(self, found: list[Candidate | Rejected], workers: Executor[Any]) -> None:
        """Have what the journal lacks of these evaluated and recorded."""
        new: dict[str, TrialLike] = {}
        for x in found:
            if isinstance(x, Candidate) and x.trial.key not in self._told:
                new.setdefault(x.trial.key, x.trial)
        # More than were asked for are not evaluated.
        wanted = list(new.values())[: self.search.evaluations - len(self.steps)]
        trials = [self._limited(trial) for trial in wanted]
        todo = {x.key: x for x in trials if not self._is_known(x)}
        self.reused += len(wanted) - len(todo)
        waiting, open_ = deque(todo.values()), 0
        if todo and self._begun is None:
            self._begun = time.monotonic()
        known = len(self.steps) + len(wanted) - len(todo)
        while waiting or open_:
            while waiting and workers.hungry():
                workers.submit([waiting.popleft()])
                open_ += 1
            for trial, record in workers.collect(_PATIENCE):
                self.store.put(trial.key, record)
                self.evaluated += 1
                open_ -= 1
                known += 1
            self._tell_progress(known)

    def _next_limit(self) -> float | None:
        """Of one objective that is minimised, without constraints to satisfy first."""
        names = self.search.objectives
        if self._best is None or self.search.constraints or len(names) > 1:
            return None
        if names[0] not in self.search.subject.limited:
            return None
        return LIMIT * self._best

    def _limited(self, trial: TrialLike) -> TrialLike:
        """The trial with what is worth knowing: the best of the batches before, times a factor."""
        if self._limit is None:
            return trial
        return trial.limited(self.search.objectives[0], self._limit)

    def _is_known(self, trial: TrialLike) -> bool:
        """Whether the journal has it: all of it, or that it is beyond a limit that was no less."""
        record = self.store.get(trial.key)
        if not isinstance(record, Mapping):
            return False
        limit = record.get("limit")
        return not isinstance(limit, int | float) or limit >= trial.limit

    def _judge(self, vector: Vector, found: Candidate | Rejected) -> tuple[float, ...] | None:
        """Note what became of a vector; its objectives, ``None`` where it is not feasible."""
        if isinstance(found, Rejected):
            self.rejections[found.reason] += 1
            return None
        key = found.trial.key
        if key in self._told:
            return self._told[key]
        record = self.store.get(key)
        if not isinstance(record, Mapping):
            # Beyond the number of evaluations: the search ends with this batch.
            return None
        if len(self.steps) >= self.search.evaluations:
            return None
        figures = self.search.subject.figures(record)
        reasons = [str(record["error"])] if "error" in record else self.search.violations(figures)
        weighed = self.search.weighed(figures)
        if weighed is None and not reasons:
            missing = [name for name in self.search.objectives if figures.get(name) is None]
            reasons = [f"{', '.join(missing)} is not known"]
        if isinstance(least := record.get("at_least"), int | float):
            reasons = [
                f"{self.search.objectives[0]} is {least:.6g} at least: not mapped to the end"
            ]
            weighed = None
        values = None if reasons else weighed
        self.steps.append(
            Step(vector, found.trial.number, key, found.design, record, figures, "; ".join(reasons))
        )
        if values is not None:
            self._volume.add(values)
            self._best = values[0] if self._best is None else min(self._best, values[0])
        self._told[key] = (float(least),) if isinstance(least, int | float) else values
        return self._told[key]

    def _tell_progress(self, done: int) -> None:
        if self.progress is None:
            return
        left = None
        if self.evaluated and self._begun is not None:
            each = (time.monotonic() - self._begun) / self.evaluated
            left = each * (self.search.evaluations - done)
        self.progress(
            State(
                done, self.search.evaluations, self.evaluated, self.rejections.total(), self._best,
                self._volume.value, left,
            )
        )  # fmt: skip
