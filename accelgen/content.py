"""Where the shipped descriptions and benches are, in a wheel and in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from accelgen.errors import InputError
from accelgen.names import shorten, unknown

__all__ = ["Kind", "content_folder", "content_path", "list_content"]

Kind = Literal["dataflows", "mapping", "sim"]
_PACKAGE = Path(__file__).resolve().parent


def content_path(kind: Kind, name: str) -> Path:
    """The shipped file ``name`` of ``kind``; the suffix ``.yaml`` may be left out.

    Raises :class:`InputError` with the nearest shipped name when there is none.
    """
    for candidate in (name, f"{name}.yaml"):
        if candidate in list_content(kind):
            return content_folder(kind) / candidate
    stems = [file.removesuffix(".yaml") for file in list_content(kind)]
    raise unknown(name, "description" if kind == "dataflows" else f"file in {kind}", stems)


def list_content(kind: Kind) -> tuple[str, ...]:
    """The shipped files of ``kind``, relative to its folder with ``/`` between, sorted."""
    folder = content_folder(kind)
    return tuple(
        sorted(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and not _is_hidden(path.relative_to(folder))
        )
    )


def _is_hidden(path: Path) -> bool:
    """Caches and dot files are no content."""
    return any(part.startswith((".", "__")) for part in path.parts)


def content_folder(kind: Kind) -> Path:
    """The folder of ``kind``; :class:`InputError` when it is not installed."""
    for base in (_PACKAGE / "_content", _PACKAGE.parent):
        if (base / kind).is_dir():
            return base / kind
    raise InputError(f"the folder {shorten(kind)} is not installed", hint="install accelgen again")
