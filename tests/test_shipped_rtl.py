"""Every shipped description, from YAML to verified Verilog, at two sizes and more.

The first size of each is a multiple of its array, the second is not.  ``-m "slow or not slow"``
adds the size each description has by itself, and synthesis for ECP5 and for generic gates.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from accelgen.affine import Description, load_description
from accelgen.content import list_content
from accelgen.cosim.lint import lint, synthesise, yosys_check
from accelgen.cosim.verify import verify
from accelgen.pipeline import generate

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

CASES = [(name, number) for name, sizes in SIZES.items() for number in range(len(sizes))]
# One of each kind of memory, link and sum is synthesised in the default tier.
SYNTHESISED = ("gemm_ws_systolic", "matvec")


def sized(name: str, number: int) -> Description:
    bounds, space = SIZES[name][number]
    return load_description(name).with_overrides(bounds=bounds, space=space)


def spatial_needs(description: Description) -> list[tuple[int, int]]:
    """Per axis its extent and the bound of the loop it is mapped to."""
    kernel = description.lower()
    return [
        (extent, kernel.bounds[next(d for d, row in enumerate(kernel.space_matrix) if row[axis])])
        for axis, extent in enumerate(kernel.space_extents)
    ]


def test_every_shipped_description_has_a_size_that_divides_and_one_that_does_not() -> None:
    assert set(SIZES) == {name.removesuffix(".yaml") for name in list_content("dataflows")}
    for name in SIZES:
        first, second = (spatial_needs(sized(name, number)) for number in (0, 1))
        assert all(bound % extent == 0 for extent, bound in first), name
        assert any(bound % extent for extent, bound in second), name


@pytest.mark.rtl
@pytest.mark.parametrize(("name", "number"), CASES)
def test_shipped_description_becomes_verified_verilog(
    name: str, number: int, tmp_path: Path
) -> None:
    folder = tmp_path / name
    made = generate(sized(name, number), folder, bus_bits=(64, 32)[number])
    assert lint(folder).problems == ()
    assert yosys_check(folder).problems == ()
    report = verify(folder, problems=2)
    assert report.faults == ()
    # The phases count as faults what differs from the manifest; this is what is in it.
    assert report.measured_compute == made.cycles.compute_cycles
    assert report.measured_total == made.cycles.total_cycles


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_shipped_description_as_it_is(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    generate(load_description(name), folder)
    assert lint(folder).problems == ()
    assert yosys_check(folder).problems == ()
    assert verify(folder).faults == ()


@pytest.mark.rtl
@pytest.mark.parametrize(
    "name",
    [n if n in SYNTHESISED else pytest.param(n, marks=pytest.mark.slow) for n in SIZES],
)
def test_shipped_description_synthesises_for_ecp5(name: str, tmp_path: Path) -> None:
    generate(sized(name, 0), tmp_path / name)
    cells = synthesise(tmp_path / name, "ecp5").cells
    assert cells["TRELLIS_FF"] > 0
    assert cells["LUT4"] > 0
    assert not [cell for cell in cells if cell.startswith("$")], "a cell that was not mapped"


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_shipped_description_synthesises_to_gates(name: str, tmp_path: Path) -> None:
    generate(sized(name, 0), tmp_path / name)
    cells = synthesise(tmp_path / name, "generic").cells
    gates = {"$_AND_", "$_NAND_", "$_OR_", "$_NOR_", "$_XOR_", "$_XNOR_", "$_MUX_", "$_NOT_"}
    assert {cell for cell in cells if "DFF" not in cell} <= gates
    assert any("DFF" in cell for cell in cells)
