"""The split: fixed, disjoint, complete."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from sklearn.datasets import load_digits

from accelgen.digits.augment import augmented
from accelgen.digits.data import PARTS, Part, digits
from accelgen.errors import InputError


def test_every_image_is_in_one_part() -> None:
    parts = [digits(part) for part in get_args(Part)]
    assert [len(part) for part in parts] == list(PARTS.values())
    images, labels = load_digits(return_X_y=True)
    together = np.concatenate([part.images.reshape(-1, 64) for part in parts]) * 16
    there = np.concatenate([part.labels for part in parts])
    expected = np.column_stack((images, labels))
    found = np.column_stack((together, there))
    assert sorted(found.tolist()) == sorted(expected.tolist())


def test_every_part_has_all_digits() -> None:
    for part in get_args(Part):
        counts = np.bincount(digits(part).labels, minlength=10)
        assert counts.min() > 0.06 * counts.sum()


def test_images_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        digits("test").images[0] = 0


def test_there_are_three_parts() -> None:
    with pytest.raises(InputError, match="unknown part 'valid'; did you mean 'validation'"):
        digits("valid")


def test_augmentation_moves_a_little() -> None:
    images = digits("train").images[:200]
    moved = augmented(images, np.random.default_rng(0))
    assert moved.shape == images.shape
    assert moved.min() >= 0
    assert moved.max() <= 1 + 1e-12
    distance = np.abs(moved - images).mean()
    assert 0.02 < distance < np.abs(images - np.roll(images, 1, axis=0)).mean()
    again = augmented(images, np.random.default_rng(0))
    assert (moved == again).all()
