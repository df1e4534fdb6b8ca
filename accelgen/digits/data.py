"""The images: scikit-learn's digits, divided once and for all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from accelgen.errors import InputError
from accelgen.names import unknown

__all__ = ["PARTS", "SPLIT_SEED", "Digits", "Part", "digits"]

Part = Literal["train", "validation", "test"]
"""``train``: what the supernet learns from; ``validation``: what searches see; ``test``: for
reports, seen by neither."""

PARTS: dict[Part, int] = {"train": 1137, "validation": 300, "test": 360}
"""Images of each part."""

SPLIT_SEED = 2
BRIGHTEST = 16


@dataclass(frozen=True, eq=False)
class Digits:
    """``images`` [n, 1, 8, 8] of 0 .. 1 (sixteenths) and ``labels`` [n] of 0 .. 9."""

    images: NDArray[np.float64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)


@cache
def digits(part: Part) -> Digits:
    """The images of one part; parts share none.

    All 1797 images in an order drawn from :data:`SPLIT_SEED`, the first 1137 to train, then 300,
    then 360.  Raises :class:`InputError` for an unknown part, and where the installed data are
    others.
    """
    if part not in get_args(Part):
        raise unknown(part, "part", get_args(Part))
    images, labels = load_digits(return_X_y=True)
    if images.shape != (sum(PARTS.values()), 64):
        raise InputError(
            f"scikit-learn's digits have the shape {images.shape}", hint="use scikit-learn 1.4 up"
        )
    # The legacy generator: NumPy keeps its streams as they are.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(images))
    first = sum(PARTS[other] for other in get_args(Part)[: get_args(Part).index(part)])
    chosen = order[first : first + PARTS[part]]
    scaled = images[chosen].reshape(-1, 1, 8, 8) / BRIGHTEST
    scaled.flags.writeable = False
    return Digits(scaled, labels[chosen].astype(np.int64))
