"""A per-user cache of compiled things, safe with several processes at once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

__all__ = ["cache_root", "cached_folder", "digest", "prune"]


def cache_root() -> Path:
    """``$XDG_CACHE_HOME/accelgen``, else ``~/.cache/accelgen``, created when missing.

    Where the home folder cannot be written to, a folder of this user below the temporary one.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    root = (Path(base) if base else Path.home() / ".cache") / "accelgen"
    try:
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
    except OSError:
        pass
    root = Path(tempfile.gettempdir()) / f"accelgen-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    return root


def digest(parts: Iterable[str | bytes]) -> str:
    """A file name that depends on every part and on where one ends and the next starts."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()[:32]


def cached_folder(group: str, key: str, build: Callable[[Path], None]) -> tuple[Path, bool]:
    """The folder ``group/key`` of the cache, and whether it was there already.

    When it is not, ``build`` fills a folder beside it, which is then renamed: a folder in the
    cache is always whole.  Other processes that want the same one wait.
    """
    parent = cache_root() / group
    parent.mkdir(exist_ok=True)
    folder = parent / key
    if not folder.is_dir():
        with _locked(parent / f"{key}.lock"):
            if not folder.is_dir():
                scratch = Path(tempfile.mkdtemp(dir=parent, prefix=".building-"))
                try:
                    build(scratch)
                    _publish(scratch, folder)
                finally:
                    shutil.rmtree(scratch, ignore_errors=True)
                return folder, False
    with contextlib.suppress(OSError):
        os.utime(folder)
    return folder, True


def prune(group: str, keep: int) -> None:
    """Remove all but the ``keep`` most recently used folders of ``group``."""
    parent = cache_root() / group
    found: list[tuple[float, Path]] = []
    for path in parent.iterdir():
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.name.startswith("."):
                found.append((path.stat().st_mtime, path))
    for _, path in sorted(found, reverse=True)[keep:]:
        shutil.rmtree(path, ignore_errors=True)
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)


def _publish(scratch: Path, folder: Path) -> None:
    try:
        scratch.rename(folder)
    except OSError:
        # Another process was faster (its lock file had been pruned); its result is the same.
        if not folder.is_dir():
            raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
