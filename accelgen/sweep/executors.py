"""Where points are evaluated: in this process, in worker processes, or by Ray."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from accelgen.store import Json

__all__ = ["BugError", "Executor", "Here", "Record", "Task", "Work"]

Record = dict[str, Json]
"""What is known of a point; see :func:`accelgen.sweep.evaluate.evaluate`."""

Work = TypeVar("Work")
"""What is evaluated: a point of a sweep, a trial of a search.  Its text names it in errors."""

Task = Callable[[Work], Record]
"""Evaluates a point.  Workers import it by its name."""


class BugError(Exception):
    """The task raised what it must not raise; the message names the point and says where."""


class Executor(Protocol[Work]):
    """Evaluates chunks of points, some at a time.

    ``collect`` waits for at most ``timeout`` seconds, and returns what has been evaluated since,
    maybe nothing; it raises :class:`BugError` when the task did, and
    :class:`accelgen.errors.AccelgenError` when a worker is gone.  ``close`` stops all work at
    once.
    """

    slots: int
    """Points evaluated at a time."""

    def hungry(self) -> bool:
        """Whether another chunk should be submitted."""

    def submit(self, points: Sequence[Work]) -> None:
        """Evaluate these points."""

    def collect(self, timeout: float) -> list[tuple[Work, Record]]:
        """What has been evaluated."""

    def close(self) -> None:
        """Stop."""


class Here(Generic[Work]):
    """An :class:`Executor` that evaluates one point per ``collect``, in this process."""

    slots = 1

    def __init__(self, task: Task[Work]) -> None:
        self._task = task
        self._points: deque[Work] = deque()

    def hungry(self) -> bool:
        """See :class:`Executor`."""
        return not self._points

    def submit(self, points: Sequence[Work]) -> None:
        """See :class:`Executor`."""
        self._points.extend(points)

    def collect(self, timeout: float) -> list[tuple[Work, Record]]:
        """See :class:`Executor`; takes as long as a point takes."""
        point = self._points.popleft()
        try:
            return [(point, self._task(point))]
        except Exception as error:
            raise BugError(f"{point}: {error!r}") from error

    def close(self) -> None:
        """See :class:`Executor`."""
        self._points.clear()
