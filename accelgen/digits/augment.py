"""More images to train with: each turned, stretched, sheared and shifted a little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["augmented"]

TURN, STRETCH, SHEAR, SHIFT = 0.15, 0.1, 0.1, 0.4
"""Largest: angle (radians), relative change of size, shear; standard deviation of the shift in
pixels."""


def augmented(images: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """``images`` [n, 1, h, w] under random affine maps, bilinear, zeros from outside."""
    count, _, height, width = images.shape
    angle, shear, down, across = generator.uniform(-1, 1, (4, count))
    cosine, sine = np.cos(TURN * angle), np.sin(TURN * angle)
    tall, wide = 1 + STRETCH * down, 1 + STRETCH * across
    shift = SHIFT * generator.standard_normal((2, count))
    y, x = np.mgrid[:height, :width].reshape(2, 1, -1).astype(np.float64)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    column = np.s_[:, None]
    rows = tall[column] * (cosine[column] * y + sine[column] * x) + shift[0][column]
    columns = wide[column] * (cosine[column] * x - sine[column] * y) + shift[1][column]
    columns = columns + SHEAR * shear[column] * y
    rows, columns = rows + (height - 1) / 2, columns + (width - 1) / 2
    padded = np.pad(images[:, 0], ((0, 0), (1, 1), (1, 1)))
    top, left = np.floor(rows), np.floor(columns)
    result = np.zeros_like(rows)
    which = np.arange(count)[column]
    for r in (0, 1):
        for c in (0, 1):
            share = (1 - np.abs(rows - top - r)) * (1 - np.abs(columns - left - c))
            at_row = np.clip(top + r + 1, 0, height + 1).astype(np.int64)
            at_column = np.clip(left + c + 1, 0, width + 1).astype(np.int64)
            result += share * padded[which, at_row, at_column]
    return np.asarray(result.reshape(images.shape))
