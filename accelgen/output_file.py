"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from accelgen.errors import InputError

__all__ = ["check_file", "write_text", "write_whole"]


def check_file(path: Path) -> None:
    """Raise :class:`InputError` when ``path`` is a folder."""
    if path.is_dir():
        raise InputError("is a folder", where=str(path), hint="name a file")


def write_whole(path: Path, write: Callable[[Path], None]) -> Path:
    """Put the file that ``write`` makes in the place of ``path``; returns ``path``.

    Missing folders are made.  Raises :class:`InputError` where it cannot be written.
    """
    check_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        try:
            write(Path(beside))
            Path(beside).chmod(0o644)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            hint="name a file in a folder you can write to",
        ) from error
    return path


def write_text(path: Path, text: str) -> Path:
    """The same of a text, in UTF-8."""

    def write(beside: Path) -> None:
        beside.write_text(text, encoding="utf-8")

    return write_whole(path, write)
