"""Points evaluated by Ray, on this machine or a cluster."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Generic

from accelgen.errors import InputError, MissingToolError
from accelgen.names import shorten
from accelgen.sweep.executors import BugError, Record, Task, Work

__all__ = ["RayTasks"]

_AHEAD = 2

_PATIENCE = 5.0
"""Seconds in which a cluster must answer."""


class RayTasks(Generic[Work]):
    """An :class:`accelgen.sweep.executors.Executor` of the Ray cluster at ``address``.

    Without an address a cluster of ``jobs`` processes is started here, and stopped at the end.
    accelgen must be installed where the tasks run, in the same version, and ONNX files must be at
    the same place.  Raises :class:`MissingToolError` where Ray is not installed.
    """

    def __init__(self, task: Task[Work], jobs: int, address: str | None = None) -> None:
        try:
            ray: Any = import_module("ray")
            # A folder of that name is imported as an empty package.
            import_module("ray.util")
        except ImportError:
            raise MissingToolError(
                "ray is not installed", hint="pip install 'accelgen[ray]'"
            ) from None
        self._ray = ray
        self._owned = not ray.is_initialized()
        if self._owned:
            if address is not None:
                _check_reachable(address)
            options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
            try:
                if address is None:
                    ray.init(num_cpus=jobs, include_dashboard=False, **options)
                else:
                    ray.init(address=address, **options)
            except (ConnectionError, ValueError, RuntimeError) as error:
                message = str(error).splitlines()[0] if str(error) else "unreachable"
                raise InputError(message, where="--address", hint="see ray status") from error
        self.slots = max(1, int(ray.cluster_resources().get("CPU", jobs)))

        def chunk(points: list[Work]) -> tuple[list[Record], str | None]:
            import traceback

            records: list[Record] = []
            for point in points:
                try:
                    records.append(task(point))
                except Exception:
                    return records, traceback.format_exc()
            return records, None

        self._remote = ray.remote(chunk)
        self._pending: dict[Any, list[Work]] = {}
        self._failed: BugError | None = None

    def hungry(self) -> bool:
        """See :class:`accelgen.sweep.executors.Executor`."""
        return len(self._pending) < _AHEAD * self.slots

    def submit(self, points: Sequence[Work]) -> None:
        """See :class:`accelgen.sweep.executors.Executor`."""
        self._pending[self._remote.remote(list(points))] = list(points)

    def collect(self, timeout: float) -> list[tuple[Work, Record]]:
        """See :class:`accelgen.sweep.executors.Executor`."""
        if self._failed is not None:
            raise self._failed
        done, _ = self._ray.wait(list(self._pending), timeout=timeout)
        found: list[tuple[Work, Record]] = []
        for reference in done:
            points = self._pending.pop(reference)
            records, bug = self._ray.get(reference)
            found += zip(points, records, strict=False)
            if bug is not None:
                # What has been evaluated goes into the journal before this is raised.
                self._failed = BugError(f"{points[len(records)]}\n{bug}")
        return found

    def close(self) -> None:
        """See :class:`accelgen.sweep.executors.Executor`."""
        for reference in self._pending:
            self._ray.cancel(reference, force=True)
        self._pending.clear()
        if self._owned:
            self._ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not (colon and port.isdecimal()):
        raise InputError(
            f"{shorten(address)} is no HOST:PORT", where="--address", hint="write 10.0.0.1:6379"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"nothing answers at {shorten(address)} ({error})",
            where="--address",
            hint="start Ray there: ray start --head",
        ) from error
