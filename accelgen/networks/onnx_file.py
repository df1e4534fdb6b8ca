"""Networks from ONNX files: a graph whose shapes are all known, and weights that are not read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.errors import InputError
from accelgen.names import MAX_NAME, shorten, unknown
from accelgen.networks.network import MAX_LAYERS, Network
from accelgen.networks.onnx_graph import check_operators, network_of
from accelgen.networks.onnx_node import Shapes

if TYPE_CHECKING:
    import onnx

__all__ = ["read_onnx"]

MAX_BYTES = 2**31 - 1
MAX_TENSORS = 100_000
SMALL = 4096
"""Initializers up to this size may be shapes, which shape inference reads; others are weights."""


def read_onnx(path: str | Path, dimensions: Mapping[str, int | str] | None = None) -> Network:
    """The network of an ONNX file; ``dimensions`` are the sizes of its symbolic dimensions.

    Matrix work: Conv, ConvTranspose, Gemm, MatMul, Einsum of two tensors, Attention (as its two
    products), and the quantised forms of these.  Element-wise operators, normalisations, softmax
    and pooling are vector work; operators that only move data are no work, and neither is what
    depends on shapes and constants alone.  Weights are not read, external data is not opened.

    Raises :class:`InputError` for a file that is no ONNX, larger than 2 GiB or than 20,000 nodes,
    for dimensions that stay unknown and, in one message, for all operators not among these.
    """
    file = Path(path)
    try:
        model = _parse(file)
        graph = model.graph
        _check_graph(graph)
        check_operators(graph)
        _set_dimensions(graph, dimensions or {})
        weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        return network_of(graph, _shapes(model, weights), weights, _name(file), file.name)
    except InputError as error:
        error.where = f"{path}: {error.where}" if error.where else str(path)
        raise


def _parse(path: Path) -> onnx.ModelProto:
    # Imported when used: nothing but this reader needs them.
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(error.strerror or "cannot be read") from error
    if len(data) > MAX_BYTES:
        raise InputError("larger than 2 GiB", hint="export it with its weights as external data")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RecursionError, ValueError) as error:
        raise InputError("is no ONNX file, or not a whole one") from error
    if not model.graph.node:
        raise InputError("holds no graph of operators")
    return model


def _check_graph(graph: onnx.GraphProto) -> None:
    if len(graph.node) > MAX_LAYERS:
        raise InputError(f"{len(graph.node)} nodes, beyond {MAX_LAYERS}")
    tensors = len(graph.initializer) + len(graph.input) + len(graph.value_info)
    if tensors > MAX_TENSORS:
        raise InputError(f"{tensors} tensors, beyond {MAX_TENSORS}")
    if graph.sparse_initializer:
        raise InputError("sparse initializers are not supported", hint="export them dense")
    if not all(isinstance(text, str) for text in _texts(graph)):
        # The reader gives bytes for what is no text.
        raise InputError("names that are no UTF-8 text")


def _texts(graph: onnx.GraphProto) -> Iterator[object]:
    """All names in the graph."""
    yield from (tensor.name for tensor in graph.initializer)
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _set_dimensions(graph: onnx.GraphProto, dimensions: Mapping[str, int | str]) -> None:
    """Write the given sizes into the inputs; all their dimensions must be known then."""
    constants = {tensor.name for tensor in graph.initializer}
    symbols: list[str] = []
    for value in graph.input:
        if value.name in constants:
            continue
        for position, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_value > 0:
                continue
            symbol = dim.dim_param or f"{value.name}_{position}"
            symbols.append(symbol)
            if symbol in dimensions:
                size = dimensions[symbol]
                if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                    raise InputError(f"{shorten(size)} is no size", where=symbol)
                dim.dim_value = size
    for name in dimensions:
        if name not in symbols:
            raise unknown(str(name), "dimension", symbols)
    missing = [name for name in dict.fromkeys(symbols) if name not in dimensions]
    if missing:
        raise InputError(
            f"dimensions without a size: {', '.join(shorten(name) for name in missing[:8])}",
            hint=f"set {missing[0][:MAX_NAME]}=1, or whatever size it is to have",
        )


def _shapes(model: onnx.ModelProto, weights: Shapes) -> Shapes:
    """The shapes of all tensors that ONNX can infer or that the file states."""
    from onnx import TensorProto, helper, shape_inference

    graph = model.graph
    bare = helper.make_model(
        helper.make_graph(graph.node, "bare", list(graph.input), []),
        opset_imports=list(model.opset_import),
    )
    inputs = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if prod(tensor.dims) <= SMALL and tensor.data_location != TensorProto.EXTERNAL:
            bare.graph.initializer.append(tensor)
        elif tensor.name not in inputs:
            # In place of the weights a tensor of their shape: nothing is computed with them.
            bare.graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    try:
        done = shape_inference.infer_shapes(bare, data_prop=True).graph
    except (shape_inference.InferenceError, RuntimeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"shapes cannot be inferred: {shorten(reason, 200)}") from error
    stated = _known((*graph.value_info, *graph.output))
    return {**stated, **_known((*done.input, *done.value_info)), **weights}


def _known(values: Iterable[onnx.ValueInfoProto]) -> dict[str, tuple[int, ...]]:
    """The tensors whose dimensions are all numbers."""
    found = {}
    for value in values:
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dim.dim_value > 0 for dim in kind.shape.dim):
            found[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    return found


def _name(path: Path) -> str:
    """The file's name as that of a network."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", path.stem).strip("_")
    return (name if name[:1].isalpha() else f"onnx_{name}")[:MAX_NAME]
