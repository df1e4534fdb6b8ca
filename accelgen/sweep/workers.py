"""Worker processes on this machine, each at the other end of a socket.

Workers are started afresh, not forked: neither threads nor locks nor the caller's main module
come with them.  A worker sends results as it has them, and ends when the other end of its socket
is closed, which the death of this process does as well.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic

from accelgen.errors import InfeasibleError, InputError
from accelgen.sweep.executors import BugError, Record, Task, Work

__all__ = ["Workers", "work"]

_AHEAD = 2
"""Chunks that a worker has at a time: one it works on, one to go on with."""

_SEND_EVERY = 0.02
"""Seconds for which a worker keeps results before it sends them."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Workers(Generic[Work]):
    """An :class:`accelgen.sweep.executors.Executor` of ``jobs`` processes.

    ``task`` must be importable by its name.
    """

    def __init__(self, task: Task[Work], jobs: int) -> None:
        self.slots = jobs
        self._failed: Exception | None = None
        self._pending: dict[Connection, list[Work]] = {}
        self._chunks: dict[Connection, list[int]] = {}
        self._processes: dict[Connection, subprocess.Popen[bytes]] = {}
        try:
            for _ in range(jobs):
                self._start(pickle.dumps(task))
        except BaseException:
            self.close()
            raise

    def _start(self, task: bytes) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-c",
                    f"from {__name__} import work; work({theirs.fileno()})",
                ],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
                    **dict.fromkeys(_THREADS, "1"),
                },
            )
        connection = Connection(ours.detach())
        self._processes[connection] = process
        self._pending[connection] = []
        self._chunks[connection] = []
        connection.send_bytes(task)

    def hungry(self) -> bool:
        """See :class:`accelgen.sweep.executors.Executor`."""
        return any(len(chunks) < _AHEAD for chunks in self._chunks.values())

    def submit(self, points: Sequence[Work]) -> None:
        """Give the points to the worker with the fewest chunks."""
        connection = min(self._chunks, key=lambda one: len(self._chunks[one]))
        try:
            sent = pickle.dumps(list(points))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise _not_sent(points[0], str(error)) from error
        self._chunks[connection].append(len(points))
        self._pending[connection] += points
        try:
            connection.send_bytes(sent)
        except OSError:
            raise self._gone(connection) from None

    def collect(self, timeout: float) -> list[tuple[Work, Record]]:
        """See :class:`accelgen.sweep.executors.Executor`."""
        if self._failed is not None:
            raise self._failed
        found: list[tuple[Work, Record]] = []
        for connection in wait(list(self._processes), timeout):
            assert isinstance(connection, Connection)
            try:
                records, bug, unread = connection.recv()
            except (EOFError, OSError):
                self._failed = self._gone(connection)
                continue
            pending = self._pending[connection]
            found += zip(pending[: len(records)], records, strict=True)
            del pending[: len(records)]
            self._count(connection, len(records))
            if unread is not None:
                self._failed = _not_sent(pending[0], unread)
            if bug is not None:
                self._failed = BugError(f"{pending[0]}\n{bug}")
        # What has been evaluated goes into the journal before anything is raised.
        if self._failed is not None and not found:
            raise self._failed
        return found

    def _count(self, connection: Connection, done: int) -> None:
        chunks = self._chunks[connection]
        while done:
            taken = min(done, chunks[0])
            chunks[0] -= taken
            done -= taken
            if not chunks[0]:
                del chunks[0]

    def _gone(self, connection: Connection) -> InfeasibleError:
        code = self._processes[connection].wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        pending = self._pending[connection]
        return InfeasibleError(
            f"a worker process {how}",
            where=str(pending[0]) if pending else None,
            hint="if memory is short, use fewer --jobs; what is done is kept",
        )

    def close(self) -> None:
        """Kill the workers: what they have not sent is lost."""
        for connection, process in self._processes.items():
            process.kill()
            connection.close()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()


def _not_sent(point: object, why: str) -> InputError:
    return InputError(
        f"cannot be sent to another process: {why}",
        where=str(point),
        hint="use 1 job, or functions that a module defines",
    )


@dataclass(frozen=True)
class _Unread:
    """A chunk that this process cannot make points of, such as one with a function of the main
    module of the other.
    """

    why: str


def work(file: int) -> None:
    """What a worker does: a task, then chunks of points, from the socket ``file``."""
    # Ctrl-C reaches all processes of a terminal; the one that has the journal ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(file)
    task: Task[Any] = pickle.loads(connection.recv_bytes())
    chunks: queue.SimpleQueue[list[Any] | _Unread] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, chunks), daemon=True).start()
    while True:
        records: list[Record] = []
        sent = time.monotonic()
        chunk = chunks.get()
        if isinstance(chunk, _Unread):
            connection.send((records, None, chunk.why))
            return
        for point in chunk:
            try:
                records.append(task(point))
            except Exception:
                connection.send((records, traceback.format_exc(), None))
                return
            if time.monotonic() - sent >= _SEND_EVERY:
                connection.send((records, None, None))
                records, sent = [], time.monotonic()
        if records:
            connection.send((records, None, None))


def _listen(connection: Connection, chunks: queue.SimpleQueue[list[Any] | _Unread]) -> None:
    """Take chunks while others are worked on, and end the process when nobody sends any more."""
    try:
        while True:
            sent = connection.recv_bytes()
            try:
                chunks.put(pickle.loads(sent))
            except Exception as error:
                chunks.put(_Unread(str(error)))
    except (EOFError, OSError):
        os._exit(0)
