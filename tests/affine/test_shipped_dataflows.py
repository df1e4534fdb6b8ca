"""Every shipped description is legal at any size and is what its comment says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import load_description, parse_description
from accelgen.content import content_path, list_content
from accelgen.errors import InputError

NAMES = [name.removesuffix(".yaml") for name in list_content("dataflows")]


@pytest.mark.parametrize("name", NAMES)
def test_files_are_printed_descriptions_with_a_source(name: str) -> None:
    text = content_path("dataflows", name).read_text()
    description = load_description(name)
    assert description.name == name
    assert parse_description(text) == description
    assert str(description) == text
    for word in ("Idea:", "In space:", "Stationary:"):
        assert word.lower() in description.comment.lower()


@given(st.sampled_from(NAMES), st.data())
@settings(max_examples=100)
def test_any_override_is_legal(name: str, data: st.DataObject) -> None:
    old = load_description(name)
    small = st.integers(1, 7)
    new = old.with_overrides(
        bounds={loop: data.draw(small, loop) for loop in old.workload.bounds},
        space={axis: data.draw(small, axis) for axis in old.dataflow.space},
    )
    assert new.lower().bounds == tuple(new.workload.bounds.values())


# Tensor, step in space, step in time, cycles it takes: an element is passed on, or a sum.
REUSE = [
    ("gemm_os_systolic", "A", {"j": 1}, {}, 1),
    ("gemm_os_systolic", "B", {"i": 1}, {}, 1),
    ("gemm_os_systolic", "Y", {}, {"k": 1}, 1),
    ("gemm_os_broadcast", "A", {"j": 1}, {}, 0),
    ("gemm_os_broadcast", "Y", {}, {"k": 1}, 1),
    ("gemm_ws_systolic", "B", {}, {"m": 1}, 1),
    ("gemm_ws_systolic", "A", {"j": 1}, {}, 1),
    ("gemm_ws_systolic", "Y", {"i": 1}, {}, 1),
    ("gemm_ws_broadcast", "B", {}, {"m": 1}, 1),
    ("gemm_ws_broadcast", "A", {"j": 1}, {}, 0),
    ("gemm_ws_broadcast", "Y", {"i": 1}, {}, 0),
    ("gemm_is_systolic", "A", {}, {"n": 1}, 1),
    ("gemm_is_systolic", "B", {"j": 1}, {}, 1),
    ("gemm_is_systolic", "Y", {"i": 1}, {}, 1),
    ("gemm_is_broadcast", "A", {}, {"n": 1}, 1),
    ("gemm_is_broadcast", "B", {"j": 1}, {}, 0),
    ("gemm_k_tree", "Y", {"l": 1}, {}, 0),
    ("gemm_k_tree", "Y", {}, {"k1": 1}, 1),
    ("gemm_k_systolic", "Y", {"l": 1}, {}, 1),
    ("gemm_k_systolic", "A", {"j": 1}, {}, 0),
    ("gemm_outer_product", "A", {"j": 1}, {}, 0),
    ("gemm_outer_product", "A", {}, {"n1": 1}, 1),
    ("gemm_outer_product", "Y", {}, {"k": 1}, 4),
    ("gemm_batched", "Y", {}, {"k": 1}, 1),
    ("gemm_3d", "Y", {"l": 1}, {}, 0),
    ("gemm_3d", "A", {"j": 1}, {}, 0),
    ("gemm_3d", "B", {"i": 1}, {}, 0),
    ("matvec", "Y", {"j": 1}, {}, 0),
    ("matvec", "X", {"i": 1}, {}, 0),
    ("fir", "X", {"i": 1}, {"n": -1}, 1),
    ("fir", "Y", {"i": 1}, {}, 2),
    ("fir", "H", {}, {"n": 1}, 1),
    ("conv2d_os_shidiannao", "X", {"j": -1}, {"s": 1}, 1),
    ("conv2d_os_shidiannao", "X", {"i": -1}, {"r": 1}, 3),
    ("conv2d_os_shidiannao", "W", {"i": 1}, {}, 0),
    ("conv2d_os_shidiannao", "W", {"j": 1}, {}, 0),
    ("conv2d_os_shidiannao", "Y", {}, {"s": 1}, 1),
    ("conv2d_ws_nvdla", "W", {}, {"q": 1}, 1),
    ("conv2d_ws_nvdla", "W", {}, {"p": 1}, 6),
    ("conv2d_ws_nvdla", "X", {"j": 1}, {}, 0),
    ("conv2d_ws_nvdla", "Y", {"i": 1}, {}, 0),
    ("conv2d_rs_eyeriss", "X", {"i": 1, "j": -1}, {}, 1),
    ("conv2d_rs_eyeriss", "W", {"j": 1}, {}, 0),
    ("conv2d_rs_eyeriss", "W", {}, {"q": 1}, 3),
    ("conv2d_rs_eyeriss", "Y", {"i": 1}, {}, 1),
    ("conv2d_rs_eyeriss", "Y", {}, {"s": 1}, 1),
    ("conv2d_strided", "X", {"j": -1}, {"s": 2}, 2),
    ("conv2d_strided", "X", {"i": -1}, {"r": 2}, 6),
    ("conv2d_dilated", "X", {"j": -2}, {"s": 1}, 1),
    ("conv2d_dilated", "X", {"i": 1}, {}, 0),
    ("conv2d_dilated", "W", {"j": 1}, {}, 0),
    ("depthwise", "X", {"j": -1}, {"s": 1}, 1),
    ("depthwise", "W", {"j": 1}, {}, 0),
    ("mttkrp", "A", {"v": 1}, {}, 1),
    ("mttkrp", "B", {"u": 1}, {}, 1),
    ("mttkrp", "B", {}, {"l": 1}, 1),
    ("mttkrp", "C", {"u": 1}, {}, 1),
    ("mttkrp", "Y", {}, {"l": 1}, 1),
    ("ttm", "A", {"v": 1}, {}, 1),
    ("ttm", "B", {"u": 1}, {}, 1),
    ("ttm", "Y", {}, {"l": 1}, 1),
]


def test_every_shipped_description_has_its_reuse_stated() -> None:
    assert {name for name, *_ in REUSE} == set(NAMES)


@pytest.mark.parametrize(("name", "tensor", "ds", "dt", "delay"), REUSE)
def test_reuse_is_what_the_comment_says(
    name: str, tensor: str, ds: dict[str, int], dt: dict[str, int], delay: int
) -> None:
    kernel = load_description(name).lower()
    access = next(t for t in kernel.tensors if t.name == tensor)
    space = np.array([ds.get(axis, 0) for axis in kernel.space])
    time = np.array([dt.get(loop, 0) for loop in kernel.time])
    moved = kernel.along_time(access) @ time + kernel.along_space(access) @ space
    assert not moved.any()
    flat = 0
    for step, extent in zip(time, kernel.time_extents, strict=True):
        flat = flat * extent + int(step)
    assert flat + int(np.dot(kernel.skew, space)) == delay


def test_unknown_content_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'gemm_3d'"):
        content_path("dataflows", "gemm3d")
    assert content_path("dataflows", "fir.yaml") == content_path("dataflows", "fir")
