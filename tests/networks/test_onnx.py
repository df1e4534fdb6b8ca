"""Networks from ONNX: against ONNX's own reference, and files that are not what they should be."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.networks import (
    Layer,
    Network,
    VectorWork,
    build_network,
    load_network,
    onnx_file,
    read_onnx,
)
from accelgen.networks.attention import AttentionPart
from tests.tiers import examples

Shape = Sequence[int | str]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
RNG = np.random.default_rng(1)


def weights(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(RNG.integers(-8, 8, shape).astype(np.float32), name)


def numbers(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    constants: Sequence[onnx.TensorProto] = (),
    output: str = "y",
    opset: int = 17,
) -> Path:
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
        for name, shape in inputs.items()
    ]
    out = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "g", values, [out], list(constants))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)
    return path


def node(kind: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    made = helper.make_node(kind, inputs.split(), output.split())
    made.attribute.extend(helper.make_attribute(*entry) for entry in attributes.items())
    return made


def only(network: Network) -> Layer:
    (layer,) = network.matrix_layers
    return layer


def test_a_small_convolutional_network(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], "/c/Conv", strides=[2, 2], pads=[1] * 4),
        node("BatchNormalization", "a scale shift mean var", "n"),
        node("Relu", "n", "r"),
        node("Conv", "r w2", "b", group=8, pads=[1] * 4),
        node("Conv", "b w3", "c", group=2),
        node("Add", "c r", "d"),
        node("MaxPool", "d", "e", kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", "e", "f"),
        node("Flatten", "f", "g"),
        node("Gemm", "g w4 b4", "y", transB=1),
    ]
    constants = [
        weights("w1", 8, 3, 3, 3), weights("b1", 8), weights("scale", 8), weights("shift", 8),
        weights("mean", 8), weights("var", 8), weights("w2", 8, 1, 3, 3),
        weights("w3", 8, 4, 1, 1), weights("w4", 10, 8), weights("b4", 10),
    ]  # fmt: skip
    file = save(tmp_path / "my net.onnx", nodes, {"x": ["batch", 3, 16, 16]}, constants)
    made = read_onnx(file, {"batch": 2})
    assert (made.name, made.source) == ("my_net", "my net.onnx")
    names = [layer.name for layer in made.layers]
    assert names[:3] == ["/c/Conv", "BatchNormalization_1", "Relu_2"]
    first, depthwise, grouped, last = made.matrix_layers
    assert first.workload.expression == "Y[n,k,p,q] += X[n,c,2*p + r,2*q + s] * W[k,c,r,s]"
    assert depthwise.workload.expression == "Y[n,g,p,q] += X[n,g,p + r,q + s] * W[g,r,s]"
    assert grouped.workload.bounds["g"] == 2
    assert dict(last.workload.bounds) == {"m": 2, "n": 10, "k": 8}
    assert made.macs == 2 * (64 * 8 * 27 + 64 * 8 * 9 + 64 * 8 * 4 + 80)
    assert made.parameters == 8 * 27 + 8 + 16 + 72 + 32 + 90
    assert [(w.operation, w.elements) for w in made.vector_work] == [
        ("batch_norm", 1024), ("relu", 1024), ("add", 1024), ("max_pool", 1024), ("mean", 256),
    ]  # fmt: skip
    assert made.edges == (
        (0, 1), (1, 2), (2, 3), (2, 5), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8),
    )  # fmt: skip
    assert load_network(file, {"batch": 2}) == made


@pytest.mark.parametrize(
    ("file", "builder", "parameters"),
    [
        ("resnet50", "resnet", {"depth": 50}),
        ("squeezenet", "squeezenet", {"version": "1.1"}),
        ("vgg19", "vgg", {"depth": 19}),
    ],
)
def test_exported_networks_are_those_of_the_builders(
    file: str, builder: str, parameters: dict[str, int | str]
) -> None:
    """The models of ONNX's own test suite: the same problems, as often, and the same parameters."""
    exported = read_onnx(LIGHT / f"light_{file}.onnx")
    built = build_network(builder, parameters)
    assert dict(exported.distinct) == dict(built.distinct)
    assert exported.parameters == built.parameters


@pytest.mark.parametrize(
    ("file", "mega_macs", "parameters"),
    [
        ("bvlc_alexnet", None, 60_965_224),
        ("densenet121", 2834, None),
        ("inception_v1", None, 6_998_552),
    ],
)
def test_other_exported_networks(file: str, mega_macs: int | None, parameters: int | None) -> None:
    """BVLC's parameters, and torchvision's MACs (its DenseNet has no scales of Caffe)."""
    network = read_onnx(LIGHT / f"light_{file}.onnx")
    assert mega_macs is None or round(network.macs / 1e6) == mega_macs
    assert parameters is None or network.parameters == parameters


def integers(shape: Sequence[int]) -> NDArray[np.int64]:
    return RNG.integers(-8, 8, shape)


def same_as_reference(
    file: Path, kind: str, operands: list[tuple[int, ...]], **attributes: object
) -> None:
    """The workload computes what ONNX's reference does; the second operand is a constant."""
    left, right = (integers(shape) for shape in operands)
    constant = numpy_helper.from_array(right.astype(np.float32), "w")
    save(file, [node(kind, "x w", "y", **attributes)], {"x": list(left.shape)}, [constant])
    layer = only(read_onnx(file))
    outputs = ReferenceEvaluator(str(file)).run(None, {"x": left.astype(np.float32)})
    assert isinstance(outputs, list)
    expected = np.asarray(outputs[0])
    tensors = {}
    for access, values in zip(layer.workload.accesses, (left, right), strict=False):
        # Groups split a dimension, batches of one are left out, strides touch less than all.
        flat = values
        if values.size == np.prod(access.shape):
            flat = values.reshape(access.shape)
        else:
            padded = [*access.shape[: len(access.shape) - values.ndim + 2], *values.shape[2:]]
            flat = values.reshape(padded)[tuple(slice(n) for n in access.shape)]
        tensors[access.name] = flat
    assert layer.weights == "W"
    assert layer.parameters == right.size
    assert (layer.workload.evaluate(tensors).reshape(expected.shape) == expected).all()


@given(
    rank=st.integers(1, 3), groups=st.integers(1, 3), c=st.integers(1, 2), k=st.integers(1, 2),
    kernel=st.integers(1, 3), stride=st.integers(1, 3), dilation=st.integers(1, 2),
    more=st.integers(0, 3),
)  # fmt: skip
@settings(max_examples=examples(20, 200))
def test_convolutions(
    tmp_path_factory: pytest.TempPathFactory,
    rank: int, groups: int, c: int, k: int, kernel: int, stride: int, dilation: int, more: int,
) -> None:  # fmt: skip
    size = dilation * (kernel - 1) + 1 + more
    same_as_reference(
        tmp_path_factory.mktemp("onnx") / "x.onnx",
        "Conv",
        [(2, groups * c, *[size] * rank), (groups * k, c, *[kernel] * rank)],
        group=groups, strides=[stride] * rank, dilations=[dilation] * rank,
    )  # fmt: skip


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rank", [1, 2])
def test_transposed_convolutions(tmp_path: Path, rank: int, stride: int) -> None:
    same_as_reference(
        tmp_path / "x.onnx",
        "ConvTranspose",
        [(1, 4, *[5] * rank), (4, 3, *[3] * rank)],
        strides=[stride] * rank,
    )


@pytest.mark.parametrize(
    ("kind", "operands", "attributes"),
    [
        ("MatMul", [(5, 4), (4, 3)], {}),
        ("MatMul", [(2, 5, 4), (4, 3)], {}),
        ("MatMul", [(2, 3, 5, 4), (2, 3, 4, 6)], {}),
        ("MatMul", [(2, 3, 5, 4), (3, 4, 6)], {}),
        ("MatMul", [(2, 1, 5, 4), (3, 4, 6)], {}),
        ("MatMul", [(5, 4), (3, 4, 6)], {}),
        ("MatMul", [(4,), (4, 6)], {}),
        ("MatMul", [(5, 4), (4,)], {}),
        ("Gemm", [(5, 4), (4, 3)], {}),
        ("Einsum", [(2, 5, 4), (4, 3)], {"equation": "bmk,kn->bmn"}),
        ("Einsum", [(2, 3, 5, 4), (2, 3, 6, 4)], {"equation": "b h m d, b h n d -> b h m n"}),
    ],
)
def test_products(
    tmp_path: Path, kind: str, operands: list[tuple[int, ...]], attributes: dict[str, object]
) -> None:
    same_as_reference(tmp_path / "x.onnx", kind, operands, **attributes)


def test_a_transformer_layer_as_exporters_write_it(tmp_path: Path) -> None:
    """Products of activations, reshapes by computed shapes, a norm of single operators."""
    nodes = [
        node("Gather", "table ids", "e"),
        node("ReduceMean", "e", "mean", axes=[-1]),
        node("Sub", "e mean", "centred"),
        node("Mul", "centred gamma", "g"),
        node("Add", "g beta", "x1"),
        *(node("MatMul", f"x1 w{t}", t) for t in "qkv"),
        node("Shape", "x1", "shape"),
        node("Gather", "shape zero", "batch", axis=0),
        node("Gather", "shape one", "length", axis=0),
        node("Concat", "batch length heads width", "split", axis=0),
        *(node("Reshape", f"{t} split", f"{t}4") for t in "qkv"),
        node("Transpose", "q4", "q5", perm=[0, 2, 1, 3]),
        node("Transpose", "k4", "k5", perm=[0, 2, 3, 1]),
        node("Transpose", "v4", "v5", perm=[0, 2, 1, 3]),
        node("MatMul", "q5 k5", "s"),
        node("Div", "s scale", "s1"),
        node("Softmax", "s1", "p"),
        node("MatMul", "p v5", "o"),
        node("Transpose", "o", "o1", perm=[0, 2, 1, 3]),
        node("Reshape", "o1 join", "o2"),
        node("MatMul", "o2 wo", "o3"),
        node("Transpose", "table", "head", perm=[1, 0]),
        node("MatMul", "o3 head", "y"),
    ]
    constants = [
        weights("table", 50, 8), weights("gamma", 8), weights("beta", 8),
        *(weights(f"w{t}", 8, 8) for t in "qkvo"),
        numbers("zero", 0), numbers("one", 1), numbers("heads", 2), numbers("width", 4),
        numpy_helper.from_array(np.array(2.0, dtype=np.float32), "scale"),
        numbers("join", 0, 0, 8),
    ]  # fmt: skip
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "t"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [ids], [out], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "layer.onnx")
    made = read_onnx(tmp_path / "layer.onnx", {"b": 3, "t": 5})
    scores = made.matrix_layers[3]
    assert scores.workload.expression == "Y[b,h,m,n] += A[b,h,m,k] * B[b,h,k,n]"
    assert dict(scores.workload.bounds) == {"b": 3, "h": 2, "m": 5, "n": 5, "k": 4}
    assert (scores.weights, scores.parameters) == (None, 0)
    # The table of embeddings is the output matrix too, and counted once.
    assert made.matrix_layers[-1].tied
    assert made.parameters == 50 * 8 + 16 + 4 * 64
    assert made.macs == 15 * (4 * 64 + 8 * 50) + 2 * 3 * 2 * 25 * 4
    operations = [work.operation for work in made.vector_work]
    assert operations == ["lookup", "mean", "subtract", "multiply", "add", "div", "softmax"]


def test_attention_is_its_two_products(tmp_path: Path) -> None:
    attention = node("Attention", "q k v", "y", q_num_heads=8, kv_num_heads=2)
    shapes: dict[str, Shape] = {"q": [1, 6, 64], "k": [1, 9, 16], "v": [1, 9, 16]}
    made = read_onnx(save(tmp_path / "a.onnx", [attention], shapes, opset=23))
    scores, softmax, mixed = made.layers
    assert isinstance(scores, Layer)
    assert isinstance(mixed, Layer)
    assert scores.workload.expression == "S[b,g,h,m,n] += Q[b,g,h,m,d] * K[b,g,n,d]"
    assert dict(scores.workload.bounds) == {"b": 1, "g": 2, "h": 4, "m": 6, "n": 9, "d": 8}
    assert softmax == VectorWork("Attention_0.1", "softmax", 8 * 6 * 9)
    assert (scores.macs, mixed.macs) == (8 * 6 * 9 * 8,) * 2
    assert made.edges == ((0, 1), (1, 2))
    shape = AttentionShape(6, 9, 8, 2, 8, 8, causal=False)
    assert scores.attention == AttentionPart(shape, 1, product=False)
    assert mixed.attention == AttentionPart(shape, 1, product=True)
    attention = node("Attention", "q k v", "y", q_num_heads=8, kv_num_heads=2, is_causal=1)
    made = read_onnx(save(tmp_path / "b.onnx", [attention], shapes, opset=23))
    assert made.matrix_layers[0].attention == AttentionPart(replace(shape, causal=True), 1, False)


def test_quantised_operators(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 2, 4, 4])
    out = helper.make_tensor_value_info("y", TensorProto.UINT8, None)
    constants = [
        numpy_helper.from_array(np.ones((3, 2, 3, 3), dtype=np.int8), "w"),
        numpy_helper.from_array(np.ones((), dtype=np.float32), "s"),
        numpy_helper.from_array(np.zeros((), dtype=np.uint8), "z"),
        numpy_helper.from_array(np.zeros((), dtype=np.int8), "wz"),
        numpy_helper.from_array(np.ones(3, dtype=np.int32), "bias"),
    ]
    graph = helper.make_graph(
        [node("QLinearConv", "x s z w s wz s z bias", "y")], "g", [x], [out], constants
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "q.onnx"
    )
    made = read_onnx(tmp_path / "q.onnx")
    assert (made.macs, made.parameters) == (3 * 2 * 9 * 4, 3 * 2 * 9 + 3)


def test_unsupported_operators_are_all_named_in_one_message(tmp_path: Path) -> None:
    nodes = [
        node("Relu", "x", "a"), node("LSTM", "a w r", "b"), node("LSTM", "b w r", "c"),
        node("NonMaxSuppression", "c", "d"),
        helper.make_node("Magic", ["d"], ["y"], domain="com.example"),
    ]  # fmt: skip
    file = save(tmp_path / "x.onnx", nodes, {"x": [1, 2, 3]}, [weights("w", 2), weights("r", 2)])
    with pytest.raises(InputError) as caught:
        read_onnx(file)
    message = str(caught.value)
    assert "'LSTM' (2), 'NonMaxSuppression' (1), 'com.example.Magic' (1)" in message
    assert "Relu" not in message


RELU = [node("Relu", "x", "y")]


@pytest.mark.parametrize(
    ("nodes", "shape", "says"),
    [
        (RELU, ["n", "t", 3], "dimensions without a size: 'n', 't'; set n=1"),
        (RELU, [0], "dimensions without a size: 'x_0'; set x_0=1"),
        ([node("Relu", "z", "y")], [3], "Relu_0: 'z' is read but not made before"),
        ([node("Relu", "a", "y"), node("Relu", "x", "a")], [3], "'a' is read but not made"),
        ([node("Conv", "x w", "y")], [1, 5, 8, 8], "Conv_0: "),
        ([node("Conv", "x w", "y", strides=[1])], [1, 3, 8, 8], ""),
        ([node("Conv", "x w", "y", strides=[-1, 1])], [1, 3, 8, 8], ""),
        ([node("Conv", "x w", "y", group=0)], [1, 3, 8, 8], ""),
        ([node("Conv", "x w", "y", strides="ab")], [1, 3, 8, 8], ""),
        ([node("Conv", "x", "y")], [1, 3, 8, 8], ""),
        ([node("MatMul", "x w", "y")], [7, 5], ""),
        ([node("Gemm", "x w", "y")], [7], ""),
        ([node("Einsum", "x w", "y", equation="ii,abcd->i")], [3, 3], "an Einsum of"),
        ([node("Einsum", "x w", "y", equation="...,abcd->a")], [3], "an Einsum of"),
        ([node("Einsum", "x", "y", equation="i->")], [3], "an Einsum of"),
        ([node("Einsum", "x w", "y", equation="i,abcd->z")], [3], "take every letter from a"),
        ([node("Reshape", "x s", "a"), node("Relu", "a", "y")], [6], ""),
        ([node("MaxPool", "x", "y", kernel_shape=[-2, 2])], [1, 1, 4, 4], ""),
        ([node("Attention", "x x x", "y")], [1, 3, 8], ""),
        ([node("Identity", "x", "y")], [3], "no layers"),
        ([node("Relu", "x", "y")] * 20_001, [3], "20001 nodes, beyond 20000"),
    ],
)  # fmt: skip
def test_bad_graphs_are_input_errors(
    tmp_path: Path, nodes: list[onnx.NodeProto], shape: Shape, says: str
) -> None:
    constants = [weights("w", 4, 3, 3, 3)]
    file = save(tmp_path / "x.onnx", nodes, {"x": shape}, constants, opset=23)
    if any(n.op_type == "Reshape" for n in nodes):
        # The new shape is data: nobody knows it.
        model = onnx.load(str(file))
        model.graph.input.append(helper.make_tensor_value_info("s", TensorProto.INT64, [2]))
        onnx.save(model, str(file))
    with pytest.raises(InputError) as caught:
        read_onnx(file)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{file}: ")


def test_dimensions_that_do_not_exist(tmp_path: Path) -> None:
    file = save(tmp_path / "x.onnx", RELU, {"x": ["batch", 3]})
    with pytest.raises(InputError, match=r"unknown dimension 'bach'; did you mean 'batch'\?"):
        read_onnx(file, {"bach": 1})
    for wrong in (0, -1, "x", True):
        with pytest.raises(InputError, match=r"batch: .* is no size"):
            read_onnx(file, {"batch": wrong})


@pytest.fixture(scope="module")
def bytes_of_a_model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    nodes = [node("MatMul", "x w", "a"), node("Add", "a b", "y")]
    constants = [weights("w", 8, 8), weights("b", 8)]
    path = tmp_path_factory.mktemp("onnx") / "x.onnx"
    return save(path, nodes, {"x": [4, 8]}, constants).read_bytes()


def error_of(file: Path) -> str | None:
    """What reading a file says is wrong; anything but an input error is a failure."""
    try:
        assert read_onnx(file).layers
    except InputError as error:
        return str(error)
    return None


def test_truncated_files_are_refused(bytes_of_a_model: bytes, tmp_path: Path) -> None:
    """At any length the answer is a network (the graph was there) or an error of one line."""
    file = tmp_path / "x.onnx"
    lengths = range(0, len(bytes_of_a_model), 7)
    errors = []
    for length in lengths:
        file.write_bytes(bytes_of_a_model[:length])
        errors.append(error_of(file))
    assert all(error is None or error.startswith(str(file)) for error in errors)
    assert sum(error is not None for error in errors) > 0.9 * len(lengths)


@given(data=st.data())
@settings(max_examples=examples(60, 2000))
def test_damaged_files_never_crash(
    bytes_of_a_model: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    damaged = bytearray(bytes_of_a_model)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.getbasetemp() / "damaged.onnx"
    file.write_bytes(damaged)
    error = error_of(file)
    assert error is None or "\n" not in error


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"not a model", os.urandom(1000)])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"is no ONNX file|holds no graph"):
        read_onnx(tmp_path / "x.onnx")
    with pytest.raises(InputError, match="No such file"):
        read_onnx(tmp_path / "none.onnx")


def test_names_that_are_no_text_are_refused(bytes_of_a_model: bytes, tmp_path: Path) -> None:
    damaged = bytes_of_a_model.replace(b"MatMul", b"Mat\xfful")
    (tmp_path / "x.onnx").write_bytes(damaged)
    with pytest.raises(InputError, match=r"is no ONNX file|names that are no UTF-8 text"):
        read_onnx(tmp_path / "x.onnx")


def test_too_large_a_file_is_not_parsed(
    bytes_of_a_model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "MAX_BYTES", len(bytes_of_a_model) - 1)
    (tmp_path / "x.onnx").write_bytes(bytes_of_a_model)
    with pytest.raises(InputError, match="larger than 2 GiB"):
        read_onnx(tmp_path / "x.onnx")


def test_external_data_is_not_opened(tmp_path: Path) -> None:
    """Weights that claim to be in a file elsewhere: their shape is all that is used."""
    outside = weights("w", 4, 5)
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="../../../../etc/passwd")
    file = save(tmp_path / "x.onnx", [node("MatMul", "x w", "y")], {"x": [3, 4]}, [outside])
    made = read_onnx(file)
    assert (made.macs, made.parameters) == (60, 20)


def test_the_reader_is_loaded_when_used() -> None:
    import subprocess
    import sys

    code = "import sys, accelgen.networks, accelgen.cli; print('onnx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
