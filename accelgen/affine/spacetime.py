"""The integer form of a kernel: everything the later stages read, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.blocks import BlockProduct
from accelgen.affine.composed import ComposedProduct
from accelgen.formats import IntFormat

__all__ = ["IntMatrix", "IntVector", "SpaceTime", "TensorAccess"]

IntVector = tuple[int, ...]
IntMatrix = tuple[IntVector, ...]


@dataclass(frozen=True)
class TensorAccess:
    """Tensor ``name`` is accessed at ``d = matrix @ i + offset`` (row-major ``shape``).

    ``of`` says in words what an element is, where its ``format`` does not.
    """

    name: str
    matrix: IntMatrix
    offset: IntVector
    shape: IntVector
    format: IntFormat
    is_output: bool = False
    of: str = ""

    @property
    def rank(self) -> int:
        """Number of dimensions of the tensor."""
        return len(self.shape)

    @property
    def type_name(self) -> str:
        """What an element is, for people."""
        return self.of or str(self.format)


@dataclass(frozen=True)
class SpaceTime:
    """``i = time_matrix @ t + space_matrix @ s + offset``, executed at ``flat(t) + skew . s``.

    ``loops``/``bounds`` describe the iteration domain (a box), ``time``/``time_extents`` the
    loop nest outermost first, ``space``/``space_extents`` the array.  Points of (t, s) outside
    the domain are predicated off.  ``tensors`` lists the inputs in the order of the expression,
    then the output.  ``chains`` pins, per stationary tensor, the space axis its shift chain
    runs along (``None``: no chain, a port per unit); tensors not named are decided by
    :mod:`accelgen.fabric`; entries of tensors that are not stationary at these bounds are idle.
    ``product`` is what a unit computes of its operands (``None``: it multiplies integers).
    """

    name: str
    loops: tuple[str, ...]
    bounds: IntVector
    time: tuple[str, ...]
    time_extents: IntVector
    space: tuple[str, ...]
    space_extents: IntVector
    time_matrix: IntMatrix
    space_matrix: IntMatrix
    offset: IntVector
    skew: IntVector
    tensors: tuple[TensorAccess, ...]
    chains: tuple[tuple[str, str | None], ...] = ()
    product: BlockProduct | ComposedProduct | None = None

    @property
    def inputs(self) -> tuple[TensorAccess, ...]:
        """The input tensors, in the order of the expression."""
        return tuple(t for t in self.tensors if not t.is_output)

    @property
    def output(self) -> TensorAccess:
        """The output tensor."""
        return next(t for t in self.tensors if t.is_output)

    @property
    def blocks(self) -> BlockProduct | None:
        """The product when it is one of block formats."""
        return self.product if isinstance(self.product, BlockProduct) else None

    @property
    def composed(self) -> ComposedProduct | None:
        """The product when it is one of integers whose width the problem chooses."""
        return self.product if isinstance(self.product, ComposedProduct) else None

    @property
    def result_bits(self) -> int:
        """Bits of an element of the output as it leaves, once rounded if it is."""
        return self.blocks.result.width if self.blocks else self.output.format.bits

    @property
    def units(self) -> int:
        """Number of functional units."""
        return int(np.prod(self.space_extents, dtype=np.int64))

    def along_time(self, tensor: TensorAccess) -> NDArray[np.int64]:
        """``M_X M_T``: how the tensor index moves with each time loop (rank x loops)."""
        return _matrix(tensor.matrix, len(self.loops)) @ _matrix(self.time_matrix, len(self.time))

    def along_space(self, tensor: TensorAccess) -> NDArray[np.int64]:
        """``M_X M_S``: how the tensor index moves with each space axis (rank x axes)."""
        return _matrix(tensor.matrix, len(self.loops)) @ _matrix(self.space_matrix, len(self.space))

    def origin(self, tensor: TensorAccess) -> NDArray[np.int64]:
        """The tensor index of (t, s) = (0, 0)."""
        offset = np.array(self.offset, dtype=np.int64)
        return _matrix(tensor.matrix, len(self.loops)) @ offset + np.array(
            tensor.offset, dtype=np.int64
        )


def _matrix(rows: IntMatrix, columns: int) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(len(rows), columns)
