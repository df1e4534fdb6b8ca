"""Who computes which point: locks that die with their process.

A point is a byte of the lock file, at the place that its key says; to claim it is to lock that
byte.  The kernel gives up the locks of a process that ends, however it ends, so that its points
are open to others at once.  Nothing is ever written to the file.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from accelgen.errors import InputError

__all__ = ["Claims"]

_DIGITS = 15
"""Hexadecimal digits of a key that make its place: places are below 2**60."""


class Claims:
    """Locks on points in the file ``path``, which is made when missing.

    Locks keep other processes out, not other objects of this process.  Raises
    :class:`InputError` where the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InputError(
                f"cannot be opened: {error.strerror}", where=str(path), hint="name another"
            ) from error

    def __enter__(self) -> Claims:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def take(self, key: str) -> bool:
        """Claim the point with this (hexadecimal) key; false when another process has it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except (BlockingIOError, PermissionError):
            return False
        return True

    def release(self, key: str) -> None:
        """Give a point back; call it when its record is written."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(key))


def _place(key: str) -> int:
    return int(key[:_DIGITS], 16)
