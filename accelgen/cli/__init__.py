"""The command line: ``accelgen COMMAND ...``.

Results go to standard output, messages to standard error.  Exit codes: 0 good, 1 the answer is
no (a mismatch, an infeasible request), 2 bad usage or input, 3 a tool is missing, 130
interrupted; 141 and 143 when the reader of a pipe is gone and when terminated, as shells have it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from accelgen.cli.interrupts import interruptible
from accelgen.cli.parser import parse
from accelgen.errors import AccelgenError

__all__ = ["main"]

INTERRUPTED = 128 + signal.SIGINT
READER_GONE = 128 + signal.SIGPIPE
TERMINATED = 128 + signal.SIGTERM


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; ``argv`` is what follows the program's name.  Returns the exit code.

    An error the user can act on is one line on standard error; ``--debug`` adds the traceback.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with _terminable(), interruptible():
            arguments = parse(words)
            code: int = arguments.run(arguments)
            sys.stdout.flush()
            return code
    except AccelgenError as error:
        _explain(" ".join(str(error).split()), debug="--debug" in words)
        return error.exit_code
    except KeyboardInterrupt:
        _explain("interrupted", debug="--debug" in words)
        return INTERRUPTED
    except BrokenPipeError:
        # What is still buffered must not fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except SystemExit as stop:
        # --help and --version, or the signal below.
        return stop.code if isinstance(stop.code, int) else 0


def _explain(text: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(f"accelgen: {text}", file=sys.stderr)


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
