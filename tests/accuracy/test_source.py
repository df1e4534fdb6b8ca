"""Accuracies carry where they come from."""

from __future__ import annotations

import pytest

from accelgen.accuracy.source import Accuracy
from accelgen.errors import InputError


def test_an_accuracy_says_its_source() -> None:
    assert str(Accuracy(0.975, "measured", "40 images")) == "97.50 % (measured: 40 images)"


@pytest.mark.parametrize("value", [-0.01, 1.5, float("nan")])
def test_an_accuracy_is_a_share(value: float) -> None:
    with pytest.raises(InputError, match=r"outside 0\.\.1"):
        Accuracy(value, "user", "mine")


def test_there_are_four_kinds() -> None:
    with pytest.raises(InputError, match="'guessed' is no kind of accuracy"):
        Accuracy(0.5, "guessed", "mine")  # type: ignore[arg-type]
