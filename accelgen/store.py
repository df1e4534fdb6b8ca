"""Values by key in an append-only file that survives kills, torn writes and flipped bits.

The file is text: a heading, then a line per record::

    accelgen store 1 sweep 0123456789abcdef
    0123456789abcdef KEY {"cycles": 42}

Each line carries the beginning of the SHA-256 of the rest of it.  A line that does not
carry its checksum is no record: reading skips and counts it, and goes on after it.  Records are
appended under a lock by one write; what a killed process left of a line is closed first, so that
it cannot spoil the next.  Any number of processes may read and append at the same time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from accelgen.errors import InputError

__all__ = ["Json", "Store"]

Json = int | float | str | bool | Sequence["Json"] | Mapping[str, "Json"] | None
"""What JSON can hold."""

_CHECKSUM = 16
"""Hexadecimal digits in front of a record."""

_BLOCK = 1 << 22
_HEADING = re.compile(rb"accelgen store 1 (\w+) [0-9a-f]+\n")


class Store:
    """The records of the file ``path``, which is made when missing; ``kind`` is what they are.

    A key is text without white space, a value what JSON can hold; where a key was put several
    times, the last value counts.  What other processes append is seen after :meth:`refresh`.
    Values are parsed when they are asked for: opening costs about 2 microseconds per record.  An
    object may be used by several threads, and by a process forked after it was opened.

    Raises :class:`InputError` for a file that cannot be opened or is of another kind.
    """

    def __init__(self, path: str | Path, kind: str) -> None:
        self.path, self.kind = Path(path), kind
        self.records = 0
        """Good records read or written so far, those put again included."""
        self.dropped = 0
        """Lines that were no records, so far."""
        self._heading = _heading(kind)
        self._values: dict[str, bytes] = {}
        self._offset = 0
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._file = self._opened()
        try:
            self._begin()
            self.refresh()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of different keys."""
        return len(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        """The keys, in the order in which they were first put."""
        return iter(self._values)

    def get(self, key: str) -> Json:
        """The value of ``key``; ``None`` when there is none."""
        text = self._values.get(key)
        if text is None:
            return None
        value: Json = json.loads(text)
        return value

    def put(self, key: str, value: Json) -> None:
        """Append one record; see :meth:`put_many`."""
        self.put_many([(key, value)])

    def put_many(self, items: Iterable[tuple[str, Json]]) -> None:
        """Append records by one write, all of them or, when the disk is full, none.

        They survive the end of this process at once, and that of the machine after :meth:`sync`.
        Raises :class:`InputError` when the file cannot be written.
        """
        entries = []
        for key, value in items:
            if not key or any(character.isspace() for character in key):
                raise ValueError(f"{key!r} is no key")
            text = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
            entries.append((key, text))
        if entries:
            with self._lock:
                self._append(b"".join(_line(key, text) for key, text in entries))
                self._values.update(entries)
                self.records += len(entries)

    def refresh(self) -> int:
        """Read what was appended since; returns how many records that were."""
        with self._lock:
            return self._read()

    def sync(self) -> None:
        """Wait until everything written is on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file; what was read can still be asked for."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _opened(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InputError(
                f"cannot be opened: {error.strerror}", where=str(self.path), hint="name another"
            ) from error

    def _begin(self) -> None:
        """Check the heading or write it, and close a torn last line."""
        with self._alone():
            end = os.fstat(self._file).st_size
            start = os.pread(self._file, len(self._heading), 0)
            if len(start) == end and self._heading.startswith(start):
                # New, or killed while the heading was written.
                os.ftruncate(self._file, 0)
                _write(self._file, self._heading)
            elif self._is_torn():
                _write(self._file, b"\n")
        found = os.pread(self._file, _BLOCK, 0).partition(b"\n")[0] + b"\n"
        if found == self._heading:
            self._offset = len(found)
            return
        hint = "name another file"
        other = _HEADING.fullmatch(found)
        if other is not None and found == _heading(other[1].decode()):
            raise InputError(
                f"a store of kind {other[1].decode()}, not {self.kind}",
                where=str(self.path),
                hint=hint,
            )
        # A heading with flipped bits has records after it, another program's file has none.
        if not self._read():
            raise InputError("is no store of accelgen", where=str(self.path), hint=hint)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process appends."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        except OSError as error:
            raise InputError(
                f"cannot be written: {error.strerror}", where=str(self.path), hint="make room"
            ) from error
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _is_torn(self) -> bool:
        end = os.fstat(self._file).st_size
        return end > 0 and os.pread(self._file, 1, end - 1) != b"\n"

    def _append(self, data: bytes) -> None:
        if self._process != os.getpid():
            # A lock belongs to an opened file, which a forked process shares with its parent.
            self._file, self._process = self._opened(), os.getpid()
        with self._alone():
            self._read()
            torn = self._is_torn()
            _write(self._file, b"\n" + data if torn else data)
            self.dropped += torn
            self._offset = os.fstat(self._file).st_size

    def _read(self) -> int:
        """Read whole lines from where the last reading ended; returns how many were records."""
        size = os.fstat(self._file).st_size
        before, rest = self.records, b""
        if size < self._offset:
            raise InputError("became shorter", where=str(self.path), hint="begin again")
        at = self._offset
        while at < size:
            block = os.pread(self._file, min(_BLOCK, size - at), at)
            if not block:
                break
            at += len(block)
            *lines, rest = (rest + block).split(b"\n")
            self._take(lines)
        self._offset = at - len(rest)
        return self.records - before

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            entry = _record(line)
            if entry is None:
                self.dropped += 1
            else:
                self._values[entry[0]] = entry[1]
                self.records += 1


def _heading(kind: str) -> bytes:
    text = f"accelgen store 1 {kind}".encode()
    return text + b" " + _checksum(text) + b"\n"


def _line(key: str, text: bytes) -> bytes:
    rest = key.encode() + b" " + text
    return _checksum(rest) + b" " + rest + b"\n"


def _record(line: bytes) -> tuple[str, bytes] | None:
    """Key and JSON text of a line, ``None`` when its checksum is not that of the rest."""
    rest = line[_CHECKSUM + 1 :]
    if line[:_CHECKSUM] != _checksum(rest) or line[_CHECKSUM : _CHECKSUM + 1] != b" ":
        return None
    key, _, text = rest.partition(b" ")
    return key.decode(), text


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest()[:_CHECKSUM].encode()


def _write(file: int, data: bytes) -> None:
    """Write all of ``data``, or leave the file as it was and raise :class:`OSError`."""
    end = os.fstat(file).st_size
    try:
        written = 0
        while written < len(data):
            written += os.write(file, data[written:])
    except OSError:
        os.ftruncate(file, end)
        raise
