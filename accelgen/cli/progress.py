"""How far work in counted steps is, on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from accelgen.cli.interrupts import raise_if_interrupted

__all__ = ["Counting", "counting"]


@dataclass(frozen=True)
class Counting:
    """``step`` is told how many of how many steps are done, ``note`` something to say meanwhile,
    ``title`` what to show in front of the bar from now on.
    """

    step: Callable[[int, int], None]
    note: Callable[[str], None]
    title: Callable[[str], None] = lambda text: None


@contextmanager
def counting(title: str, steps: str) -> Iterator[Counting]:
    """Show on standard error, when that is a terminal, how many ``steps`` are done, their rate and
    the time left.  What the first call says is done was done before.
    """
    if not sys.stderr.isatty():
        yield Counting(lambda done, total: raise_if_interrupted(), lambda text: None)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None, rate="")
        start = time.monotonic()
        first: int | None = None

        def step(done: int, total: int) -> None:
            nonlocal first
            raise_if_interrupted()
            if first is None:
                # What is done already says nothing about the time that is left.
                first = done
                bar.reset(task, total=total, completed=done, rate="")
                return
            rate = (done - first) / max(time.monotonic() - start, 1e-9)
            bar.update(task, completed=done, total=total, rate=f"{rate:.3g} {steps}/s")

        yield Counting(
            step,
            lambda text: console.print(Text(f"accelgen: {text}")),
            lambda text: bar.update(task, description=text),
        )
