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
from tests.shipped import SIZES, sized

CASES = [(name, number) for name, sizes in SIZES.items() for number in range(len(sizes))]
# One of each kind of memory, link and sum is synthesised in the default tier.
SYNTHESISED = ("gemm_ws_systolic", "matvec")


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
    if number:
        # The size that does not divide has all the guards as well.
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
