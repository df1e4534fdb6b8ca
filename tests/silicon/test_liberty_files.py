"""Libraries are recognised or read off their files; memories are tiled by macros."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from accelgen.errors import InputError
from accelgen.silicon.liberty import Cells
from accelgen.silicon.libraries import library_of, read_liberty
from accelgen.silicon.memories import Macro, Memory, tile
from accelgen.silicon.sram import macros_of, table_macros, tables

TINY = Path(__file__).with_name("tiny.lib")


def test_an_unknown_library_is_read_off_its_file(tmp_path: Path) -> None:
    library = library_of(read_liberty([TINY], tmp_path))
    assert library.driver == "BUF2"
    assert (library.tie_high, library.tie_low) == ("ONE Y", "ZERO Y")
    assert library.wire_load is None
    assert library.slew == 0.1


def test_gzipped_files_are_the_same(tmp_path: Path) -> None:
    packed = tmp_path / "tiny.lib.gz"
    packed.write_bytes(gzip.compress(TINY.read_bytes()))
    plain, unpacked = read_liberty([TINY, packed], tmp_path)
    assert plain.text == unpacked.text
    assert "NAND2" in unpacked.cells


@pytest.mark.parametrize(
    ("content", "says"), [(b"not a library", "has no cells"), (b"\x1f\x8bx", "cannot be read")]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "wrong.lib"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_liberty([path], tmp_path)


def test_a_library_without_buffers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "poor.lib"
    path.write_text(TINY.read_text().replace('function : "A"', 'function : "!A"'))
    with pytest.raises(InputError, match="there is no buffer"):
        library_of(read_liberty([path], tmp_path))


def test_areas_flip_flops_and_delays(tmp_path: Path) -> None:
    cells = Cells([read_liberty([TINY], tmp_path)[0].path], 0.01, None)
    areas, registers = cells.areas()
    assert areas["XOR2"] == 5
    assert registers == {"DFF"}
    # The first point of the table, and the last.
    assert cells["INV"].delay("Y", 0.001) == pytest.approx(0.05)
    assert cells["INV"].delay("Y", 0.1) == pytest.approx(0.25)
    assert cells["DFF"].clocked == pytest.approx((0.002, 0.003))


def memory(depth: int, width: int, *, paged: bool = True) -> Memory:
    return Memory("bank", "cells", depth, width, 2, paged)


def test_a_page_takes_the_macros_of_the_least_area() -> None:
    small, large = Macro("small", 64, 16, 10.0), Macro("large", 256, 32, 30.0)
    tiling = tile(memory(512, 32), [small, large], most=1.0)
    assert tiling is not None
    assert (tiling.macro.cell, tiling.rows, tiling.columns, tiling.count) == ("large", 1, 1, 2)
    tiling = tile(memory(128, 20), [small, large], most=1.0)
    assert tiling is not None
    assert (tiling.macro.cell, tiling.rows, tiling.columns, tiling.count) == ("small", 1, 2, 4)


def test_macros_larger_than_flip_flops_and_accumulators_stay_flip_flops() -> None:
    macro = Macro("one", 64, 16, 10.0)
    assert tile(memory(2, 2), [macro], most=1.0) is None
    assert tile(memory(128, 16, paged=False), [macro], most=1.0) is None


def test_size_tables_give_macros_made_to_measure(tmp_path: Path) -> None:
    assert {"sg13g2", "asap7", "cacti_22nm_lop"} <= set(tables())
    macros, timing = table_macros("sg13g2", [memory(512, 64)], tmp_path)
    assert [(m.depth, m.width) for m in macros] == [(256, 64)]
    # Within the fit's error of the macro of that size.
    assert macros[0].area == pytest.approx(93180.5, rel=0.05)
    assert timing is not None
    assert macros[0].cell in timing.read_text()
    macros, timing = table_macros("cacti_22nm_lop", [memory(2048, 64)], tmp_path)
    assert timing is None
    assert macros[0].area == pytest.approx(6820, rel=0.01)
    with pytest.raises(InputError, match="unknown size table"):
        table_macros("cacti", [], tmp_path)


def test_standard_cells_have_no_macros(tmp_path: Path) -> None:
    assert macros_of(read_liberty([TINY], tmp_path)) == ([], [])
