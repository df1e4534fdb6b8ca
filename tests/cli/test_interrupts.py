"""An interrupt where Python ignores it ends the command all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from accelgen.cli.command import stages
from accelgen.cli.interrupts import interruptible, raise_if_interrupted
from accelgen.cli.progress import counting


class Finalized:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def _usual() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", ["stages", "counting"])
def test_an_interrupt_in_a_finalizer_is_not_lost(how: str) -> None:
    reached = []

    @interruptible()
    def work() -> None:
        Finalized()
        reached.append("the next line")
        if how == "stages":
            with stages("work") as progress:
                progress("on")
        else:
            with counting("work", "points") as shown:
                shown.step(1, 2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached
    # The next command begins anew.
    with interruptible():
        raise_if_interrupted()


def test_an_interrupt_elsewhere_is_raised_there() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
