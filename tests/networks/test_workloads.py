"""The expressions of layers compute what the layers are, and dividing them loses nothing."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine.workload import MAX_ELEMENTS
from accelgen.errors import InputError
from accelgen.networks import workloads
from accelgen.networks.builder import Builder, Value
from accelgen.networks.layer import Layer, tensor_elements
from tests.tiers import examples

small = st.integers(1, 4)


@given(
    batch=small, heads=small, groups=small, m=st.sampled_from([1, 4096, 32768]),
    n=st.sampled_from([512, 32768, 131072]), d=st.sampled_from([1, 64]),
)  # fmt: skip
@settings(max_examples=examples(30, 300))
def test_divided_attention_fits_and_is_all_of_it(
    batch: int, heads: int, groups: int, m: int, n: int, d: int
) -> None:
    heads *= groups
    for make in (workloads.attention_scores, workloads.attention_product):
        work, repeats = make(batch, heads, m, n, d, groups)
        assert repeats * prod(work.bounds.values()) == batch * heads * m * n * d
        assert all(tensor_elements(work, a.name) <= MAX_ELEMENTS for a in work.accesses)


def test_what_fits_is_not_divided() -> None:
    assert workloads.matrix_product(8192, 16384, 4096)[1] == 1
    assert workloads.attention_scores(4, 32, 1024, 2048, 128, 8)[1] == 1
    assert workloads.attention_scores(4, 32, 1024, 4096, 128, 8)[1] == 2


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(InputError, match=r"tensor Y of shape .* has more than"):
        workloads.matrix_product(2**20, 4096, 4096)
    with pytest.raises(InputError, match=r"tensor W of shape .* has more than"):
        workloads.matrix_product(1, 16411, 2**20)


def test_shared_keys_are_read_by_a_whole_group() -> None:
    work, _ = workloads.attention_scores(2, 8, 3, 5, 4, 2)
    assert tensor_elements(work, "K") == 2 * 2 * 5 * 4
    assert tensor_elements(work, "Q") == 2 * 8 * 3 * 4
    with pytest.raises(InputError, match="3 groups of keys do not divide 8 heads"):
        workloads.attention_scores(2, 8, 3, 5, 4, 3)


@given(
    c=small, k=small, groups=st.integers(1, 3), kernel=small, stride=st.integers(1, 3),
    dilation=st.integers(1, 2), out=small, data=st.data(),
)  # fmt: skip
@settings(max_examples=examples(20, 200))
def test_a_convolution_is_one(
    c: int,
    k: int,
    groups: int,
    kernel: int,
    stride: int,
    dilation: int,
    out: int,
    data: st.DataObject,
) -> None:
    """Against a loop over windows, for any grouping."""
    work, repeats = workloads.convolution(
        2, c * groups, k * groups, (out, out), (kernel,) * 2, (stride,) * 2, (dilation,) * 2, groups
    )
    assert repeats == 1
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    tensors = {a.name: rng.integers(-9, 9, size=a.shape) for a in work.accesses if not a.is_output}
    size = stride * (out - 1) + dilation * (kernel - 1) + 1
    x = tensors["X"].reshape(2, groups, c, size, size)
    w = tensors["W"].reshape(groups, k, c, kernel, kernel)
    y = np.zeros((2, groups, k, out, out), dtype=np.int64)
    for p in range(out):
        for q in range(out):
            rows = slice(p * stride, p * stride + dilation * kernel, dilation)
            columns = slice(q * stride, q * stride + dilation * kernel, dilation)
            y[..., p, q] = np.einsum("ngcrs,gkcrs->ngk", x[..., rows, columns], w)
    assert (work.evaluate(tensors).reshape(y.shape) == y).all()


def test_a_transposed_convolution_spreads_its_input() -> None:
    work, _ = workloads.transposed_convolution(1, 2, 3, (2, 3), (3, 3), (2, 2))
    x = np.arange(12).reshape(1, 2, 2, 3)
    w = np.arange(54).reshape(2, 3, 3, 3) - 20
    y = np.zeros((1, 3, 5, 7), dtype=np.int64)
    for p in range(2):
        for q in range(3):
            y[0, :, 2 * p : 2 * p + 3, 2 * q : 2 * q + 3] += np.einsum(
                "c,ckrs->krs", x[0, :, p, q], w
            )
    assert (work.evaluate({"X": x, "W": w}) == y).all()


def test_groups_must_divide() -> None:
    with pytest.raises(InputError, match="3 groups do not divide 4 input and 6 output"):
        workloads.convolution(1, 4, 6, (3, 3), (1, 1), (1, 1), None, 3)


def test_the_builder_carries_shapes_and_edges() -> None:
    b = Builder(batch=2)
    x = b.conv("conv", Value((3, 9, 9)), 8, 3, stride=2, bias=True, norm=True)
    assert x.shape == (8, 5, 5)
    with b.scope("block"):
        y = b.vector("relu", x)
        z = b.concat(b.conv("conv", y, 4, 1), b.pool(y, 3, 1, padding=1))
        z = b.vector("relu", z)
    up = b.transposed_conv("up", z, 2, 2)
    assert (z.shape, up.shape) == ((12, 5, 5), (2, 10, 10))
    made = b.network("tiny", "")
    assert [layer.name for layer in made.layers] == [
        "conv", "block.relu", "block.conv", "block.max_pool", "block.relu_2", "up",
    ]  # fmt: skip
    assert made.edges == ((0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (4, 5))
    first = made.layers[0]
    assert isinstance(first, Layer)
    assert first.parameters == 8 * 3 * 9 + 3 * 8
    assert made.vector_work[1].elements == 2 * 8 * 25 * 9


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda b: b.conv("c", Value((3, 4, 4)), 8, 5, padding=0), "c: a kernel of 5 on 4 x 4"),
        (lambda b: b.conv("c", Value((3, 4)), 8, 3), "an image expected"),
        (lambda b: b.pool(Value((3, 2, 2)), 3, 1), "pool: a window of 3: too few positions"),
        (
            lambda b: b.attention(Value((4, 10)), Value((4, 10)), Value((4, 10)), 3),
            "3 heads do not divide a width of 10",
        ),
    ],
)
def test_sizes_that_do_not_fit_name_the_layer(make: object, says: str) -> None:
    assert callable(make)
    with pytest.raises(InputError) as caught:
        make(Builder())
    assert says in str(caught.value)
