"""Folders that the tool writes: whole or not at all, and never over what somebody else wrote."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from accelgen.errors import InputError
from accelgen.manifest import Listing

__all__ = ["check_replaceable", "replace_folder", "writing"]


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn an :class:`OSError` into an :class:`InputError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", where=str(folder), hint="name another folder"
        ) from error


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Put what ``fill`` writes in the place of ``folder``, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        fresh, old = Path(beside) / "fresh", Path(beside) / "old"
        fresh.mkdir()
        fill(fresh)
        if folder.exists():
            folder.rename(old)
        try:
            fresh.rename(folder)
        except BaseException:
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise


def check_replaceable(folder: Path) -> None:
    """Raise :class:`InputError` when ``folder`` holds anything but a design and what belongs
    to it: waves, reports, a program.
    """
    if not folder.exists():
        return
    hint = "name another folder, or empty it yourself"
    if not folder.is_dir():
        raise InputError("exists and is not a folder", where=str(folder), hint=hint)
    present = {path.name for path in folder.iterdir()}
    if not present:
        return
    try:
        listing = Listing.read(folder)
        ours = {*listing.verilog, "manifest.json", "report.md"}
        ours |= {f"{listing.name}.c", f"{listing.name}.h"}
    except InputError:
        ours = set()
    ours |= {"waves.vcd", "waves.fst", "synth.json", "synth.md"}
    ours |= {"program.json", "program.npz", "realised.json", "energy.svg"}
    if foreign := sorted(present - ours):
        raise InputError(
            f"holds {foreign[0]}, which accelgen did not write", where=str(folder), hint=hint
        )
