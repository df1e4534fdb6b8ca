"""What a layer of SpAtten leaves for the next, and keys as most and least significant bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["SpattenState", "SpattenStep", "quantised"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpattenState:
    """Accumulated importance and what is left: of tokens ``[keys]``, of query heads ``[heads]``."""

    token_importance: Floats
    token_alive: Bools
    head_importance: Floats
    head_alive: Bools

    @classmethod
    def fresh(cls, shape: AttentionShape) -> SpattenState:
        """Before the first layer: all alive, nothing known."""
        tokens, heads = shape.keys, shape.heads
        return cls(
            np.zeros(tokens),
            np.ones(tokens, dtype=np.bool_),
            np.zeros(heads),
            np.ones(heads, dtype=np.bool_),
        )

    def grown(self, shape: AttentionShape) -> SpattenState:
        """This state with the keys that ``shape`` has more; see :meth:`Spatten.step`."""
        more = shape.keys - len(self.token_alive)
        if more < 0 or len(self.head_alive) != shape.heads:
            raise InputError(
                f"is of {len(self.token_alive)} keys and {len(self.head_alive)} heads, and the "
                f"shape of {shape.keys} and {shape.heads}",
                where="state",
                hint="give the state of the same sequence and model, or none",
            )
        return SpattenState(
            np.concatenate([self.token_importance, np.zeros(more)]),
            np.concatenate([self.token_alive, np.ones(more, dtype=np.bool_)]),
            self.head_importance,
            self.head_alive,
        )


@dataclass(frozen=True, eq=False)
class SpattenStep:
    """One layer: a mask per query head, the state after it, the share ``refined`` of computed
    rows (of heads alive) that needed the least significant bits of the keys, and the pairs
    ``scored`` per head, of which the mask holds those whose values are read.
    """

    masks: tuple[HeadMask, ...]
    state: SpattenState
    refined: float
    scored: tuple[int, ...]


def quantised(k: Floats, msb_bits: int, lsb_bits: int) -> tuple[Floats, Floats]:
    """``(coarse, fine)``, like the keys ``k``: their codes of ``msb_bits + lsb_bits`` bits with
    the ``lsb_bits`` least significant ones zero, and whole, times the scale of the code.

    Codes are two's complement, nearest (ties to even), and symmetric: the largest magnitude is
    ``2**(bits - 1) - 1``.  Coarse ones are rounded down, as bits cut off are.
    """
    largest = float(np.abs(k).max())
    scale = largest / (2 ** (msb_bits + lsb_bits - 1) - 1) if largest else 1.0
    code = np.rint(k / scale).astype(np.int64)
    return (code >> lsb_bits << lsb_bits) * scale, code * scale
