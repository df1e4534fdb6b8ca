"""Running a sweep: what the journal lacks is claimed, evaluated and recorded."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from accelgen.errors import InputError
from accelgen.names import shorten
from accelgen.store import Json, Store
from accelgen.sweep.claims import Claims
from accelgen.sweep.evaluate import evaluate
from accelgen.sweep.executors import Executor, Here, Task
from accelgen.sweep.ray_tasks import RayTasks
from accelgen.sweep.results import Results, results_of
from accelgen.sweep.sweep import Point, Sweep
from accelgen.sweep.workers import Workers

__all__ = ["JOURNAL", "Outcome", "Progress", "default_jobs", "run"]

JOURNAL = "sweep"
"""The kind of the store that a journal is."""

_CHUNK_SECONDS = 0.25
_MOST = 256
"""Points of a chunk, at most; as many as take about that long."""

_SYNC_EVERY = 2.0
"""Seconds after which what is written is on the disk."""

_ASK_AGAIN = 0.1
"""Seconds between looks at what other processes have."""


@dataclass(frozen=True)
class Outcome:
    """What became of a sweep: its results, how many points were ``evaluated`` here and how many
    ``reused`` from the journal or another process, and lines of the journal that were
    ``dropped`` because they were damaged.
    """

    results: Results
    evaluated: int
    reused: int
    dropped: int
    seconds: float


Progress = Callable[[int, int, int], None]
"""Is told how many of how many points are known, and how many were evaluated here."""


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
    task: Task = evaluate,
) -> Outcome:
    """Evaluate the points of a sweep that are not in the ``journal``, and return all.

    ``local`` uses ``jobs`` processes (1: this one; default: one per core), ``ray`` the cluster at
    ``address``, or one of its own.  The process may be killed at any moment: another run with the
    same journal goes on from there, and evaluates again only what was under way.  Several
    processes may use one journal at the same time; each point is evaluated by one of them.

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
        evaluated = 0
        wanted = {point.key: point for point in points}
        if any(key not in store for key in wanted):
            workers = _executor(executor, task, jobs or default_jobs(), address, len(wanted))
            try:
                evaluated = _Run(store, claims, workers, wanted, progress).all()
            finally:
                workers.close()
                store.sync()
        records = [_record(store, point) for point in points]
        dropped = store.dropped
    seconds = time.monotonic() - start
    results = results_of(sweep, points, records)
    return Outcome(results, evaluated, len(wanted) - evaluated, dropped, seconds)


def _executor(kind: str, task: Task, jobs: int, address: str | None, points: int) -> Executor:
    if kind == "ray":
        return RayTasks(task, jobs, address)
    if kind != "local":
        raise InputError(f"unknown executor {shorten(kind)}", hint="use local or ray")
    if address is not None:
        raise InputError("an address without ray", where="--address", hint="--executor ray")
    jobs = min(jobs, points)
    return Here(task) if jobs == 1 else Workers(task, jobs)


def _record(store: Store, point: Point) -> Mapping[str, Json]:
    record = store.get(point.key)
    assert isinstance(record, Mapping)
    return record


class _Run:
    """The points that are neither known nor under way, and the loop that empties them."""

    def __init__(
        self,
        store: Store,
        claims: Claims,
        executor: Executor,
        wanted: Mapping[str, Point],
        progress: Progress | None,
    ) -> None:
        self.store, self.claims, self.executor = store, claims, executor
        self.wanted, self.progress = wanted, progress
        self.todo = deque(point for key, point in wanted.items() if key not in store)
        self.known = len(wanted) - len(self.todo)
        self.under_way = self.evaluated = 0
        self.mean = _CHUNK_SECONDS
        self.synced = time.monotonic()

    def all(self) -> int:
        """Evaluate until every point is known; returns how many were evaluated here."""
        self._tell()
        while self.todo or self.under_way:
            while self.executor.hungry() and (chunk := self._claim()):
                self.under_way += len(chunk)
                self.executor.submit(chunk)
            if self.under_way:
                self._take(self.executor.collect(_ASK_AGAIN))
            else:
                # Others have claimed all that is left.
                if self.todo:
                    time.sleep(_ASK_AGAIN)
                self.store.refresh()
            self._tell()
        return self.evaluated

    def _claim(self) -> list[Point]:
        """The next points that no process has, as many as make a chunk; now ours."""
        share = -(-len(self.todo) // (2 * self.executor.slots))
        size = min(max(1, int(_CHUNK_SECONDS / self.mean)), _MOST, share)
        chunk: list[Point] = []
        for _ in range(len(self.todo)):
            if len(chunk) == size:
                break
            point = self.todo.popleft()
            if point.key in self.store:
                self.known += 1
            elif self.claims.take(point.key):
                chunk.append(point)
            else:
                self.todo.append(point)
        # Another process may have written a record between our last look and our claim.
        if self.store.refresh():
            for point in [point for point in chunk if point.key in self.store]:
                chunk.remove(point)
                self.claims.release(point.key)
                self.known += 1
        return chunk

    def _take(self, found: list[tuple[Point, dict[str, Json]]]) -> None:
        """Record what has been evaluated, then give up the claims on it."""
        if not found:
            return
        self.store.put_many((point.key, record) for point, record in found)
        for point, record in found:
            self.claims.release(point.key)
            seconds = record.get("seconds")
            if isinstance(seconds, int | float):
                self.mean = max(1e-6, 0.8 * self.mean + 0.2 * seconds)
        self.under_way -= len(found)
        self.evaluated += len(found)
        self.known += len(found)
        if time.monotonic() - self.synced > _SYNC_EVERY:
            self.store.sync()
            self.synced = time.monotonic()

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(self.known, len(self.wanted), self.evaluated)
