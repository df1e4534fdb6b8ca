"""What needs real cells: the folder of the environment variable ACCELGEN_PDK, and OpenSTA."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from accelgen import generate
from accelgen.silicon.liberty import Cells
from accelgen.silicon.libraries import KNOWN
from accelgen.silicon.synth import Options, synthesise
from accelgen.technology import load_technology
from benchmarks.measure_energy import LANES, SEED, macro, run
from benchmarks.measure_technology import (
    BASE_BITS,
    LIBRARIES,
    PRIMITIVES,
    REGISTER,
    Bench,
    measure_points,
    registered,
    unpack,
)

PDK = Path(os.environ.get("ACCELGEN_PDK", "nowhere"))
pytestmark = [
    pytest.mark.rtl,
    pytest.mark.skipif(not PDK.is_dir(), reason="ACCELGEN_PDK names no folder of cells"),
    pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not there"),
]


def cells(library: str) -> list[Path]:
    pattern = {"sg13g2": "sg13g2_stdcell_typ_*", "asap7": "asap7sc7p5t_*"}[library]
    return sorted((PDK / library).glob(pattern))


@pytest.mark.parametrize("library", sorted(KNOWN))
def test_a_few_figures_of_the_shipped_technologies_come_out(library: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, LIBRARIES[library], [unpack(p, tmp_path) for p in cells(library)])
    shipped = load_technology(library)
    base = bench.measure("register", REGISTER)
    assert base.arrival == pytest.approx(shipped.clock_to_q, abs=1e-4)
    assert base.setup == pytest.approx(shipped.setup, abs=1e-4)
    assert base.area / BASE_BITS == pytest.approx(shipped.register_area, abs=1e-4)
    text = Path("mapping/technology", f"{library}.yaml").read_text(encoding="utf-8")
    for kind, point in (("add", (8,)), ("mul", (4, 4)), ("mux", (8, 4)), ("compare", (12,))):
        primitive = next(p for p in PRIMITIVES if p.kind == kind)
        chosen = type(primitive)(**{**vars(primitive), "points": (point,)})
        (row,) = measure_points(bench, chosen, base, 1)
        widths = ", ".join(map(str, point))
        assert f"- [{widths}, {row[-2]:.4f}, {row[-1]:.2f}]" in text, (kind, row)


def test_a_small_kernel_on_cells_and_macros(tmp_path: Path) -> None:
    generate("gemm_os_systolic", tmp_path / "gemm")
    sram = tuple((PDK / "sg13g2").glob("RM_IHPSG13_1P_*"))
    found = synthesise(
        tmp_path / "gemm", Options(liberty=(*cells("sg13g2"), *sram), power=False, period=5.0)
    )
    assert found.area is not None
    assert found.timing is not None
    assert found.timing.slack > 0
    assert found.area.macro_bits == found.area.memory_bits
    assert {tiling.macro.cell for tiling in found.tilings} == {
        "RM_IHPSG13_1P_64x64_c2_bm_bist",
        "RM_IHPSG13_1P_256x48_c2_bm_bist",
        "RM_IHPSG13_1P_256x64_c2_bm_bist",
    }


def test_a_few_energies_of_the_shipped_technologies_come_out(tmp_path: Path) -> None:
    text = Path("mapping/technology/energy/sg13g2.yaml").read_text(encoding="utf-8")
    for path in sorted((PDK / "sg13g2").glob("RM_IHPSG13_1P_*x64_*")):
        assert macro(unpack(path, tmp_path))[2].strip() in text, path.name
    files = [unpack(path, tmp_path) for path in cells("sg13g2")]
    bench = Bench(tmp_path, LIBRARIES["sg13g2"], files)
    library = Cells(files, LIBRARIES["sg13g2"].slew, LIBRARIES["sg13g2"].wire_load)
    drawn = np.random.default_rng(SEED).integers(0, 1 << 16, (16, LANES))
    pair = run(bench, library, "link", registered([("a", 16)], 16, "a_q"), {"a": (16, drawn)},
               4, ())  # fmt: skip
    assert f"pj_per_bit: {pair.energy.units / 32:.4g}\n" in text
