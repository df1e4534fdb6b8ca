"""Progress of searches on a terminal, and what is said when one is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from accelgen.cli.command import remark
from accelgen.cli.progress import counting

if TYPE_CHECKING:
    from accelgen.search import State
    from accelgen.search.study import Progress

__all__ = ["INTERRUPTED", "shown"]

INTERRUPTED = 130
"""The exit code of what was interrupted."""

T = TypeVar("T")


def shown(
    name: str, where: Path, said: Callable[[State], str], work: Callable[[Progress], T]
) -> T | None:
    """What ``work`` returns, which is given something to tell of its progress; ``said`` of a state
    is shown beside the designs.  ``None`` where it was interrupted, with a remark that its designs
    are in ``where``.
    """
    done = [0, 0]
    try:
        with counting(name, "designs") as bar:

            def progress(state: State) -> None:
                done[:] = state.done, state.total
                bar.step(state.done, state.total)
                bar.stage(said(state))

            return work(progress)
    except KeyboardInterrupt:
        remark(
            f"interrupted with {done[0]} of {done[1]} designs in {where}; "
            "the same command with --resume goes on from there"
        )
        return None
