"""Two sizes of every shipped description: a multiple of its array, and one that is not."""

from __future__ import annotations

from accelgen.affine import Description, load_description

__all__ = ["SIZES", "sized"]

Sizes = dict[str, int]

GEMM = {"m": 4, "n": 4, "k": 4}
ODD = {"m": 5, "n": 3, "k": 7}
CONV = {"k": 2, "c": 2, "p": 4, "q": 4, "r": 3, "s": 3}

# Per description: bounds and array, twice.
SIZES: dict[str, list[tuple[Sizes, Sizes]]] = {
    "gemm_os_systolic": [(GEMM, {"i": 2, "j": 2}), (ODD, {"i": 3, "j": 2})],
    "gemm_os_broadcast": [(GEMM, {"i": 2, "j": 2}), (ODD, {"i": 2, "j": 4})],
    "gemm_ws_systolic": [(GEMM, {"i": 2, "j": 2}), (ODD, {"i": 3, "j": 2})],
    "gemm_ws_broadcast": [(GEMM, {"i": 2, "j": 2}), (ODD, {"i": 2, "j": 4})],
    "gemm_is_systolic": [(GEMM, {"i": 2, "j": 2}), (ODD, {"i": 2, "j": 3})],
    "gemm_is_broadcast": [(GEMM, {"i": 2, "j": 2}), (ODD, {"i": 4, "j": 2})],
    "gemm_k_tree": [(GEMM, {"j": 2, "l": 4}), (ODD, {"j": 2, "l": 5})],
    "gemm_k_systolic": [(GEMM, {"j": 2, "l": 4}), (ODD, {"j": 2, "l": 3})],
    "gemm_outer_product": [(GEMM, {"i": 2, "j": 2}), (ODD, {"i": 2, "j": 2})],
    "gemm_batched": [({**GEMM, "b": 2}, {"i": 2, "j": 2}), ({**ODD, "b": 3}, {"i": 2, "j": 2})],
    "gemm_3d": [(GEMM, {"i": 2, "j": 2, "l": 2}), (ODD, {"i": 2, "j": 2, "l": 3})],
    "matvec": [({"m": 4, "k": 8}, {"i": 2, "j": 4}), ({"m": 7, "k": 10}, {"i": 2, "j": 3})],
    "fir": [({"n": 16, "t": 8}, {"i": 4}), ({"n": 11, "t": 5}, {"i": 3})],
    "conv2d_os_shidiannao": [
        (CONV, {"i": 2, "j": 2}),
        ({**CONV, "p": 5, "q": 4}, {"i": 2, "j": 3}),
    ],
    "conv2d_ws_nvdla": [
        (CONV, {"i": 2, "j": 2}),
        ({**CONV, "k": 3, "c": 3, "r": 2}, {"i": 2, "j": 2}),
    ],
    "conv2d_rs_eyeriss": [
        (CONV, {"i": 3, "j": 2}),
        ({**CONV, "p": 5}, {"i": 2, "j": 2}),
    ],
    "conv2d_strided": [
        (CONV, {"i": 2, "j": 2}),
        ({**CONV, "p": 3, "q": 4, "s": 2}, {"i": 2, "j": 3}),
    ],
    "conv2d_dilated": [
        (CONV, {"i": 2, "j": 2}),
        ({**CONV, "k": 3, "q": 5}, {"i": 2, "j": 3}),
    ],
    "depthwise": [
        ({"c": 4, "p": 3, "q": 4, "r": 3, "s": 3}, {"i": 2, "j": 2}),
        ({"c": 3, "p": 2, "q": 5, "r": 2, "s": 3}, {"i": 2, "j": 3}),
    ],
    "mttkrp": [
        ({"i": 4, "j": 4, "k": 3, "l": 3}, {"u": 2, "v": 2}),
        ({"i": 3, "j": 4, "k": 2, "l": 3}, {"u": 2, "v": 3}),
    ],
    "ttm": [
        ({"i": 2, "j": 4, "k": 4, "l": 4}, {"u": 2, "v": 2}),
        ({"i": 2, "j": 3, "k": 5, "l": 3}, {"u": 2, "v": 2}),
    ],
}


def sized(name: str, number: int) -> Description:
    bounds, space = SIZES[name][number]
    return load_description(name).with_overrides(bounds=bounds, space=space)
