"""Interrupts that are not lost.

Python raises :class:`KeyboardInterrupt` wherever it happens to be; in a finalizer or a callback of
the garbage collector it is printed, ignored, and gone.  So that somebody asked is kept as well, and
whoever reports progress asks for it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interruptible", "raise_if_interrupted"]

_asked = threading.Event()


@contextmanager
def interruptible() -> Iterator[None]:
    """Remember SIGINT until the end of the block, beside raising an exception for it."""
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or not usual:
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        _asked.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _asked.clear()


def raise_if_interrupted() -> None:
    """Raise :class:`KeyboardInterrupt` if there was one that was lost."""
    if _asked.is_set():
        raise KeyboardInterrupt
