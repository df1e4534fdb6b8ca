"""Running a sweep: what the journal lacks is claimed, evaluated and recorded."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from accelgen.errors import InputError
from accelgen.names import shorten
from accelgen.store import Json, Store
from accelgen.sweep.claims import Claims
from accelgen.sweep.evaluate import evaluate
from accelgen.sweep.executors import Executor, Here, Task, Work
from accelgen.sweep.ray_tasks import RayTasks
from accelgen.sweep.remaining import Progress, Remaining
from accelgen.sweep.results import Results, results_of
from accelgen.sweep.sweep import Point, Sweep
from accelgen.sweep.workers import Workers

__all__ = ["JOURNAL", "Outcome", "Progress", "default_jobs", "executor_of", "run"]

JOURNAL = "sweep"
"""The kind of the store that a journal is."""


@dataclass(frozen=True)
class Outcome:
    """What became of a sweep: its results, how many different points were ``evaluated`` here, how
    many are ``alike`` to these or to known ones and got their figures, how many were ``reused``
    from the journal or another process, and lines of the journal that were ``dropped`` because
    they were damaged.
    """

    results: Results
    evaluated: int
    alike: int
    reused: int
    dropped: int
    seconds: float


def default_jobs() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    sweep: Sweep,
    journal: str | Path,
    *,
    jobs: int | None = None,
    executor: Literal["local", "ray"] = "local",
    address: str | None = None,
    progress: Progress | None = None,
    task: Task[Point] = evaluate,
) -> Outcome:
    """Evaluate the points of a sweep that are not in the ``journal``, and return all.

    ``local`` uses ``jobs`` processes (1: this one; default: one per core), ``ray`` the cluster at
    ``address``, or one of its own.  The process may be killed at any moment: another run with the
    same journal goes on from there, and evaluates again only what was under way.  Several
    processes may use one journal at the same time; each point is evaluated by one of them.  Of
    points that are alike (:func:`accelgen.sweep.alike.alike_key`) one is evaluated.

    Raises :class:`InputError` for a sweep or journal that cannot be read, and
    :class:`accelgen.sweep.executors.BugError` when ``task`` fails in a way that is no result.
    """
    start = time.monotonic()
    if jobs is not None and jobs < 1:
        raise InputError(f"{jobs} processes", where="--jobs", hint="use 1 or more")
    points = sweep.points()
    path = Path(journal)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", where=str(path.parent)) from error
    with Store(path, JOURNAL) as store, Claims(path.with_name(f"{path.name}.lock")) as claims:
        wanted = {point.key: point for point in points}
        evaluated = alike = 0
        if any(key not in store for key in wanted):
            remaining = Remaining(store, claims, wanted, progress)
            try:
                if remaining.todo:
                    _evaluate(remaining, executor, task, jobs or default_jobs(), address)
            finally:
                store.sync()
            evaluated, alike = remaining.evaluated, remaining.alike
        records = [_record(store, point) for point in points]
        dropped = store.dropped
    seconds = time.monotonic() - start
    results = results_of(sweep, points, records)
    return Outcome(results, evaluated, alike, len(wanted) - evaluated - alike, dropped, seconds)


def _evaluate(
    remaining: Remaining, kind: str, task: Task[Point], jobs: int, address: str | None
) -> None:
    workers = executor_of(kind, task, min(jobs, len(remaining.todo)), address)
    try:
        remaining.evaluate(workers)
    finally:
        workers.close()


def executor_of(kind: str, task: Task[Work], jobs: int, address: str | None) -> Executor[Work]:
    """What runs tasks: ``local`` in ``jobs`` processes (1: this one), ``ray`` on a cluster.

    Raises :class:`InputError` for other kinds, and an address without Ray.
    """
    if kind == "ray":
        return RayTasks(task, jobs, address)
    if kind != "local":
        raise InputError(f"unknown executor {shorten(kind)}", hint="use local or ray")
    if address is not None:
        raise InputError("an address without ray", where="--address", hint="--executor ray")
    return Here(task) if jobs == 1 else Workers(task, jobs)


def _record(store: Store, point: Point) -> Mapping[str, Json]:
    record = store.get(point.key)
    assert isinstance(record, Mapping)
    return record
