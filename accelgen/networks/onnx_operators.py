"""What each ONNX operator does: matrix work, vector work, or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import prod

from accelgen.networks.onnx_matrix import (
    attention,
    convolution,
    einsum,
    gemm,
    matmul,
    transposed_convolution,
)
from accelgen.networks.onnx_node import Node, Vector, Work

__all__ = ["MOVES", "OPERATORS", "STATIC"]


def _per_result(node: Node) -> list[Work]:
    return [Vector(_operation(node.kind), prod(node.result), _parameters(node))]


def _per_input(node: Node) -> list[Work]:
    elements = prod(node.shape(node.input(0)))
    return [Vector(_operation(node.kind), elements, _parameters(node))]


def _pool(node: Node) -> list[Work]:
    window = prod(node.integers("kernel_shape", (1,)))
    return [Vector(_operation(node.kind), prod(node.result) * window)]


def _operation(kind: str) -> str:
    """The name that builders use too: ``LayerNormalization`` is ``layer_norm``."""
    if kind in _RENAMED:
        return _RENAMED[kind]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
    return words.replace("normalization", "norm")


_RENAMED = {
    "Gather": "lookup", "GlobalAveragePool": "mean", "LRN": "local_response_norm",
    "Mul": "multiply", "PRelu": "prelu", "RMSNormalization": "rms_norm", "ReduceMean": "mean",
    "RotaryEmbedding": "rotate", "Sub": "subtract", "Swish": "silu",
}  # fmt: skip


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
        "Cast", "CastLike", "Compress", "Concat", "ConstantOfShape", "DepthToSpace", "Dropout",
        "Expand", "Flatten", "Identity", "NonZero", "OneHot", "Pad", "Range", "Reshape",
        "ReverseSequence", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose",
        "Unsqueeze",
    )
)  # fmt: skip
"""Operators that only move or repeat data."""

STATIC = frozenset(("Constant", "EyeLike", "Shape", "Size"))
"""Operators whose results do not depend on data."""

Rule = Callable[[Node], list[Work]]

OPERATORS: Mapping[str, Rule] = {
    "Attention": attention,
    "Conv": lambda node: convolution(node, 0, 1, 2),
    "ConvInteger": lambda node: convolution(node, 0, 1, None),
    "ConvTranspose": transposed_convolution,
    "Einsum": einsum,
    "Gemm": gemm,
    "MatMul": lambda node: matmul(node, 0, 1),
    "MatMulInteger": lambda node: matmul(node, 0, 1),
    "QLinearConv": lambda node: convolution(node, 0, 3, 8),
    "QLinearMatMul": lambda node: matmul(node, 0, 3),
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), _pool),
    **dict.fromkeys(_PER_RESULT, _per_result),
    **dict.fromkeys(_PER_INPUT, _per_input),
}
"""What to do for the operators that do work."""
