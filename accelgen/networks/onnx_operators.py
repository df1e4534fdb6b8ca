"""What each ONNX operator does: matrix work, vector work, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from accelgen.affine.workload import Workload
from accelgen.errors import InputError
from accelgen.names import shorten
from accelgen.networks import workloads

if TYPE_CHECKING:
    import onnx

__all__ = [
    "MOVES", "OPERATORS", "STATIC", "Matrix", "Node", "Shapes", "Vector", "attributes",
]  # fmt: skip

Shapes = Mapping[str, tuple[int, ...]]
Attributes = Mapping[str, int | float | str | tuple[int, ...]]
_BATCH = ("b", "h", "b1", "b2", "b3", "b4")


@dataclass(frozen=True)
class Matrix:
    """A workload, executed ``repeats`` times; ``tensor`` is the constant that is its ``W``."""

    workload: Workload
    repeats: int
    tensor: str | None
    bias: str | None = None


@dataclass(frozen=True)
class Vector:
    """Vector work; ``parameters`` are the names of the constants it reads as such."""

    operation: str
    elements: int
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """A node with the shapes and the names of the constants of its graph."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Attributes
    shapes: Shapes
    constants: frozenset[str]

    def input(self, position: int) -> str | None:
        """The name of an input, ``None`` when it is left out."""
        return (self.inputs[position] or None) if position < len(self.inputs) else None

    def shape(self, name: str | None) -> tuple[int, ...]:
        """The shape of a tensor; :class:`InputError` when it is not known."""
        if name is None:
            raise InputError(f"{self.kind} lacks an input")
        if name not in self.shapes:
            raise InputError(
                f"the shape of {shorten(name)} is not known",
                hint="export the model with fixed shapes, or simplify it first",
            )
        return self.shapes[name]

    @property
    def result(self) -> tuple[int, ...]:
        """The shape of the first output."""
        return self.shape(self.outputs[0] if self.outputs else None)

    def constant(self, name: str | None) -> str | None:
        """``name`` when it is that of a constant."""
        return name if name in self.constants else None

    def integer(self, name: str, otherwise: int) -> int:
        """An attribute that is an integer."""
        value = self.attributes.get(name, otherwise)
        if not isinstance(value, int):
            raise InputError(f"attribute {name} is no integer")
        return value

    def integers(self, name: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        value = self.attributes.get(name, otherwise)
        if not isinstance(value, tuple):
            raise InputError(f"attribute {name} is no list of integers")
        return value


def attributes(node: onnx.NodeProto) -> Attributes:
    """The attributes that are numbers, lists of integers or text; others are left out."""
    from onnx import AttributeProto

    found: dict[str, int | float | str | tuple[int, ...]] = {}
    for attribute in node.attribute:
        if attribute.type == AttributeProto.INT:
            found[attribute.name] = attribute.i
        elif attribute.type == AttributeProto.INTS:
            found[attribute.name] = tuple(attribute.ints)
        elif attribute.type == AttributeProto.FLOAT:
            found[attribute.name] = attribute.f
        elif attribute.type == AttributeProto.STRING:
            found[attribute.name] = attribute.s.decode("utf-8", "replace")
    return found


def _convolution(node: Node, x: int, w: int, bias: int | None) -> list[Matrix | Vector]:
    data, kernel = node.shape(node.input(x)), node.shape(node.input(w))
    rank = len(kernel) - 2
    _check_rank(node, data, rank)
    workload, repeats = workloads.convolution(
        data[0], data[1], kernel[0], node.result[2:], kernel[2:],
        node.integers("strides", (1,) * rank), node.integers("dilations", (1,) * rank),
        node.integer("group", 1),
    )  # fmt: skip
    return [_matrix(node, workload, repeats, w, bias)]


def _transposed_convolution(node: Node) -> list[Matrix | Vector]:
    data, kernel = node.shape(node.input(0)), node.shape(node.input(1))
    rank, groups = len(kernel) - 2, node.integer("group", 1)
    _check_rank(node, data, rank)
    workload, repeats = workloads.transposed_convolution(
        data[0], data[1], kernel[1] * groups, data[2:], kernel[2:],
        node.integers("strides", (1,) * rank), node.integers("dilations", (1,) * rank), groups,
    )  # fmt: skip
    return [_matrix(node, workload, repeats, 1, 2)]


def _check_rank(node: Node, data: tuple[int, ...], rank: int) -> None:
    if not 1 <= rank <= 3 or len(data) != rank + 2:
        raise InputError(f"a {node.kind} of {len(data)} dimensions", hint="use 3 to 5")


def _matrix(node: Node, workload: Workload, repeats: int, weight: int, bias: int | None) -> Matrix:
    tensor = node.constant(node.input(weight))
    known = node.constant(node.input(bias)) if bias is not None else None
    return Matrix(workload, repeats, tensor, known)


def _gemm(node: Node) -> list[Matrix | Vector]:
    a, b = node.shape(node.input(0)), node.shape(node.input(1))
    a = a[::-1] if node.integer("transA", 0) else a
    b = b[::-1] if node.integer("transB", 0) else b
    return [_product(node, a, b, (0, 1), node.constant(node.input(2)))]


def _matmul(node: Node, first: int, second: int) -> list[Matrix | Vector]:
    a, b = node.shape(node.input(first)), node.shape(node.input(second))
    a = (1, *a) if len(a) == 1 else a
    b = (*b, 1) if len(b) == 1 else b
    return [_product(node, a, b, (first, second), None)]


def _product(
    node: Node, a: tuple[int, ...], b: tuple[int, ...], at: tuple[int, int], bias: str | None
) -> Matrix:
    """A product over the last dimension of ``a`` and the last but one of ``b``, in batches."""
    if min(len(a), len(b)) < 2 or a[-1] != b[-2]:
        raise InputError(f"shapes {a} and {b} do not multiply")
    left, right = (node.constant(node.input(position)) for position in at)
    if len(b) == 2 and left is None:
        rows = prod(a[:-1])
        if right is not None:
            workload, repeats = workloads.matrix_product(rows, b[1], a[-1])
        else:
            bounds = {"m": rows, "n": b[1], "k": a[-1]}
            workload, repeats = workloads.divided("Y[m,n] += A[m,k] * B[k,n]", bounds, ("n",))
        return Matrix(workload, repeats, right, bias)
    rank = max(len(a), len(b)) - 2
    outer_a = (1,) * (rank + 2 - len(a)) + a[:-2]
    outer_b = (1,) * (rank + 2 - len(b)) + b[:-2]
    sizes = [(x, y) for x, y in zip(outer_a, outer_b, strict=True) if max(x, y) > 1]
    if len(sizes) > len(_BATCH) or any(x != y and min(x, y) > 1 for x, y in sizes):
        raise InputError(f"shapes {a} and {b} do not multiply")
    loops = list(zip(_BATCH, sizes, strict=False))
    in_a = "".join(f"{loop}," for loop, (x, _) in loops if x > 1)
    in_b = "".join(f"{loop}," for loop, (_, y) in loops if y > 1)
    in_y = "".join(f"{loop}," for loop, _ in loops)
    names = ("W" if left else "A", "W" if right and not left else "B")
    expression = f"Y[{in_y}m,n] += {names[0]}[{in_a}m,k] * {names[1]}[{in_b}k,n]"
    bounds = {loop: max(size) for loop, size in loops}
    bounds |= {"m": a[-2], "n": b[-1], "k": a[-1]}
    # Batches that both tensors have may be executed one after the other.
    apart = [loop for loop, (x, y) in loops if x == y]
    workload, repeats = workloads.divided(expression, bounds, apart)
    return Matrix(workload, repeats, left or right, bias)


def _einsum(node: Node) -> list[Matrix | Vector]:
    """Two tensors and an equation of letters: an expression already."""
    equation = str(node.attributes.get("equation", "")).replace(" ", "")
    operands, arrow, output = equation.partition("->")
    terms = operands.split(",")
    letters = (*terms, output)
    if not arrow or len(terms) != 2 or len(node.inputs) != 2 or not output:
        raise InputError(f"an Einsum of {shorten(equation)}", hint="use two tensors and ->")
    if not all(
        t.isascii() and t.isalpha() and t.islower() and len(set(t)) == len(t) for t in letters
    ):
        raise InputError(
            f"an Einsum of {shorten(equation)}", hint="use each letter once per tensor"
        )
    bounds: dict[str, int] = {}
    for position, term in enumerate(terms):
        shape = node.shape(node.input(position))
        if len(shape) != len(term):
            raise InputError(f"{term} is no tensor of {len(shape)} dimensions")
        for letter, size in zip(term, shape, strict=True):
            if bounds.setdefault(letter, size) != size:
                raise InputError(f"{letter} of {equation} is both {bounds[letter]} and {size}")
    constants = [node.constant(name) for name in node.inputs]
    weight = constants[1] or constants[0]
    names = [("W" if c and c == weight else x) for c, x in zip(constants, "AB", strict=True)]
    a, b, y = (",".join(term) for term in letters)
    expression = f"Y[{y}] += {names[0]}[{a}] * {names[1]}[{b}]"
    apart = [loop for loop in output if loop in terms[0] and loop in terms[1]]
    workload, repeats = workloads.divided(expression, bounds, apart)
    return [Matrix(workload, repeats, weight)]


def _attention(node: Node) -> list[Matrix | Vector]:
    """Scores, softmax and the product with the values; cached keys come first."""
    q, k, v = (node.shape(node.input(position)) for position in range(3))
    if len(q) == 4:
        batch, heads, queries, width = q
        groups, keys, value_width = k[1], k[2], v[3]
    elif len(q) == 3:
        batch, queries, _ = q
        heads, groups = node.integer("q_num_heads", 0), node.integer("kv_num_heads", 0)
        if heads < 1 or groups < 1:
            raise InputError("an Attention without q_num_heads and kv_num_heads")
        width, keys, value_width = q[2] // heads, k[1], v[2] // groups
    else:
        raise InputError(f"an Attention of {len(q)} dimensions", hint="use 3 or 4")
    if (past := node.input(4)) is not None:
        keys += node.shape(past)[2]
    scores, times = workloads.attention_scores(batch, heads, queries, keys, width, groups)
    mixed, repeats = workloads.attention_product(batch, heads, queries, keys, value_width, groups)
    return [
        Matrix(scores, times, None),
        Vector("softmax", batch * heads * queries * keys),
        Matrix(mixed, repeats, None),
    ]


def _per_result(node: Node) -> list[Matrix | Vector]:
    return [Vector(node.kind, prod(node.result), _parameters(node))]


def _per_input(node: Node) -> list[Matrix | Vector]:
    return [Vector(node.kind, prod(node.shape(node.input(0))), _parameters(node))]


def _pool(node: Node) -> list[Matrix | Vector]:
    window = prod(node.integers("kernel_shape", (1,)))
    return [Vector(node.kind, prod(node.result) * window)]


def _parameters(node: Node) -> tuple[str, ...]:
    """The constants that are trained: of normalisations scale and shift, of others all but
    single numbers, which are steepnesses, thresholds and the like.
    """
    if node.kind in _NORMALISATIONS:
        return tuple(name for name in node.inputs[1:3] if name)
    if node.kind not in _PARAMETRIC:
        return ()
    return tuple(
        name
        for name in node.inputs
        if name in node.constants and prod(node.shapes.get(name, ())) > 1
    )


_NORMALISATIONS = (
    "BatchNormalization", "GroupNormalization", "InstanceNormalization", "LayerNormalization",
    "RMSNormalization",
)  # fmt: skip
_PARAMETRIC = ("Add", "Div", "Gather", "Mul", "PRelu", "Sub")

_PER_RESULT = (
    "Abs", "Acos", "Add", "And", "Asin", "Atan", "BitShift", "BitwiseAnd", "BitwiseNot",
    "BitwiseOr", "BitwiseXor", "Ceil", "Celu", "Clip", "Cos", "Cosh", "DequantizeLinear", "Div",
    "DynamicQuantizeLinear", "Elu", "Equal", "Erf", "Exp", "Floor", "Gather", "GatherElements",
    "GatherND", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "IsInf", "IsNaN",
    "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg",
    "Not", "Or", "PRelu", "Pow", "QuantizeLinear", "Reciprocal", "Relu", "Resize",
    "RotaryEmbedding", "Round", "ScatterElements", "ScatterND", "Selu", "Shrink", "Sigmoid",
    "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tan", "Tanh",
    "ThresholdedRelu", "Trilu", "Upsample", "Where", "Xor",
)  # fmt: skip
_PER_INPUT = (
    *_NORMALISATIONS, "ArgMax", "ArgMin", "CumSum", "GlobalAveragePool", "GlobalLpPool",
    "GlobalMaxPool", "LRN", "LogSoftmax", "LpNormalization", "MeanVarianceNormalization",
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Softmax", "TopK",
)  # fmt: skip

MOVES = frozenset(
    (
        "Cast", "CastLike", "Compress", "Concat", "DepthToSpace", "Dropout", "Expand", "Flatten",
        "Identity", "Pad", "Reshape", "ReverseSequence", "Slice", "SpaceToDepth", "Split",
        "Squeeze", "Tile", "Transpose", "Unsqueeze",
    )
)  # fmt: skip
"""Operators that only move data."""

STATIC = frozenset(("Constant", "EyeLike", "Shape", "Size"))
"""Operators whose results do not depend on data."""

Rule = Callable[[Node], list[Matrix | Vector]]

OPERATORS: Mapping[str, Rule] = {
    "Attention": _attention,
    "Conv": lambda node: _convolution(node, 0, 1, 2),
    "ConvInteger": lambda node: _convolution(node, 0, 1, None),
    "ConvTranspose": _transposed_convolution,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": lambda node: _matmul(node, 0, 1),
    "MatMulInteger": lambda node: _matmul(node, 0, 1),
    "QLinearConv": lambda node: _convolution(node, 0, 3, 8),
    "QLinearMatMul": lambda node: _matmul(node, 0, 3),
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), _pool),
    **dict.fromkeys(_PER_RESULT, _per_result),
    **dict.fromkeys(_PER_INPUT, _per_input),
}
"""What to do for the operators that do work."""
