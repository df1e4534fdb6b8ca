"""What is left of a sweep: claimed, evaluated and recorded until nothing is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from accelgen.store import Json, Store
from accelgen.sweep.alike import Group, grouped, records_of, settled
from accelgen.sweep.claims import Claims
from accelgen.sweep.executors import Executor
from accelgen.sweep.sweep import Point

__all__ = ["Progress", "Remaining"]

_CHUNK_SECONDS = 0.25
_MOST = 256
"""Points of a chunk, at most; as many as take about that long."""

_SYNC_EVERY = 2.0
"""Seconds after which what is written is on the disk."""

_ASK_AGAIN = 0.1
"""Seconds between looks at what other processes have."""

Progress = Callable[[int, int, int], None]
"""Is told how many of how many points are known, and how many were evaluated here."""


class Remaining:
    """The points that are neither known nor under way, and the loop that empties them.

    ``wanted`` are all points by their keys.  Points alike to a known one are recorded at once.
    """

    def __init__(
        self, store: Store, claims: Claims, wanted: Mapping[str, Point], progress: Progress | None
    ) -> None:
        self.store, self.claims, self.progress = store, claims, progress
        self.todo: deque[Group] = deque()
        """Groups of which nothing is known."""
        self.total = len(wanted)
        self.known = self.evaluated = self.alike = 0
        self._under_way: dict[str, Group] = {}
        self._mean = _CHUNK_SECONDS
        self._synced = time.monotonic()
        self._settle(grouped(wanted.values()))

    def evaluate(self, executor: Executor[Point]) -> None:
        """Evaluate until every point is known."""
        self._tell()
        while self.todo or self._under_way:
            while executor.hungry() and (chunk := self._claim(executor.slots)):
                executor.submit(chunk)
            if self._under_way:
                self._take(executor.collect(_ASK_AGAIN))
            else:
                # Others have claimed all that is left.
                if self.todo:
                    time.sleep(_ASK_AGAIN)
                self.store.refresh()
            self._tell()

    def _claim(self, slots: int) -> list[Point]:
        """Points for the next groups that no process has, as many as make a chunk; now ours."""
        share = -(-len(self.todo) // (2 * slots))
        size = min(max(1, int(_CHUNK_SECONDS / self._mean)), _MOST, share)
        chunk: list[Group] = []
        for _ in range(len(self.todo)):
            if len(chunk) == size:
                break
            group = self.todo.popleft()
            if self._is_known(group):
                self._settle([group])
            elif self.claims.take(group.key):
                chunk.append(group)
            else:
                self.todo.append(group)
        # Another process may have written a record between our last look and our claim.
        self.store.refresh()
        for group in [group for group in chunk if self._is_known(group)]:
            chunk.remove(group)
            self._settle([group])
            self.claims.release(group.key)
        self._under_way |= {group.points[0].key: group for group in chunk}
        return [group.points[0] for group in chunk]

    def _is_known(self, group: Group) -> bool:
        return any(point.key in self.store for point in group.points)

    def _settle(self, groups: Iterable[Group]) -> None:
        """Count what is known of groups, record what follows, and queue the rest."""
        records: list[tuple[str, Json]] = []
        for group in groups:
            alike, left = settled(group, self.store)
            records += alike
            self.todo.extend(left)
            self.known += len(group.points) - sum(len(one.points) for one in left)
            self.alike += len(alike)
        self.store.put_many(records)

    def _take(self, found: list[tuple[Point, dict[str, Json]]]) -> None:
        """Record what has been evaluated, for all that are alike, then give up the claims."""
        if not found:
            return
        records: list[tuple[str, Json]] = []
        claimed = []
        for point, record in found:
            group = self._under_way.pop(point.key)
            alike = records_of(group.points[1:], record)
            records += [(point.key, record), *alike]
            claimed.append(group.key)
            self.alike += len(alike)
            self.known += 1 + len(alike)
            if not alike:
                self.todo.extend(Group(other.key, (other,)) for other in group.points[1:])
            seconds = record.get("seconds")
            if isinstance(seconds, int | float):
                self._mean = max(1e-6, 0.8 * self._mean + 0.2 * seconds)
        self.evaluated += len(found)
        # One write: who sees that a point is known sees it of all.
        self.store.put_many(records)
        for key in claimed:
            self.claims.release(key)
        if time.monotonic() - self._synced > _SYNC_EVERY:
            self.store.sync()
            self._synced = time.monotonic()

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(self.known, self.total, self.evaluated)
