"""Architectures as the inputs of OFA's accuracy predictors: ones and zeros.

Cai et al.: Once for All, arXiv 1908.09791, appendix; in the order of the released code
(github.com/mit-han-lab/once-for-all): ``ofa/tutorial/accuracy_predictor.py`` for the published
predictor of the tutorial, ``ofa/nas/accuracy_predictor/arch_encoder.py`` for the later ones.  Every
decision is a group of zeros with a one at the place of its option; groups of blocks that the depth
leaves out are zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from accelgen.elastic import ofa_mobilenet_v3, ofa_resnet50
from accelgen.errors import InputError

__all__ = ["TUTORIAL_RESOLUTIONS", "mobilenet_features", "resnet_features", "tutorial_features"]

Features = NDArray[np.float32]
Architecture = Mapping[str, int]

TUTORIAL_RESOLUTIONS = tuple(range(112, 225, 16))
_BLOCKS = [(unit, block) for unit in range(1, 6) for block in range(1, 5)]


def tutorial_features(chosen: Architecture) -> Features:
    """128 numbers: kernels of 20 blocks, expansions of 20 blocks, the resolution."""
    return _joined(
        *_blocks(chosen, "kernel", ofa_mobilenet_v3.KERNELS),
        *_blocks(chosen, "expansion", ofa_mobilenet_v3.EXPANSIONS),
        _resolution(chosen, TUTORIAL_RESOLUTIONS),
    )


def mobilenet_features(chosen: Architecture, resolutions: Sequence[int]) -> Features:
    """The resolution, kernels of 20 blocks, expansions of 20 blocks."""
    return _joined(
        _resolution(chosen, resolutions),
        *_blocks(chosen, "kernel", ofa_mobilenet_v3.KERNELS),
        *_blocks(chosen, "expansion", ofa_mobilenet_v3.EXPANSIONS),
    )


def resnet_features(chosen: Architecture, resolutions: Sequence[int]) -> Features:
    """The resolution, the block of the stem (not there, there), widths inside the stem, of it and
    of four stages, expansions of 18 blocks.
    """
    widths = ("stem_width", *(f"width{stage}" for stage in range(5)))
    blocks = (
        _one(chosen[f"expansion{stage}_{i}"], ofa_resnet50.EXPANSIONS)
        if i <= base + chosen[f"depth{stage}"]
        else _none(ofa_resnet50.EXPANSIONS)
        for stage, base in enumerate(ofa_resnet50.BASE_DEPTHS, start=1)
        for i in range(1, base + max(ofa_resnet50.DEPTHS) + 1)
    )
    return _joined(
        _resolution(chosen, resolutions),
        _one(chosen["stem_block"], (0, 1)),
        *(_one(chosen[name], ofa_resnet50.WIDTHS) for name in widths),
        *blocks,
    )


def _blocks(chosen: Architecture, what: str, options: Sequence[int]) -> Iterator[list[int]]:
    for unit, block in _BLOCKS:
        there = block <= chosen[f"depth{unit}"]
        yield _one(chosen[f"{what}{unit}_{block}"], options) if there else _none(options)


def _resolution(chosen: Architecture, resolutions: Sequence[int]) -> list[int]:
    if chosen["resolution"] not in resolutions:
        raise InputError(
            f"the predictor knows no images of {chosen['resolution']}",
            where="resolution",
            hint=f"use one of {', '.join(map(str, resolutions))}",
        )
    return _one(chosen["resolution"], resolutions)


def _one(value: int, options: Sequence[int]) -> list[int]:
    return [int(option == value) for option in options]


def _none(options: Sequence[int]) -> list[int]:
    return [0] * len(options)


def _joined(*groups: list[int]) -> Features:
    return np.array([number for group in groups for number in group], dtype=np.float32)
