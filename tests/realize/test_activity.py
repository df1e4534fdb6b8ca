"""Energy of what switched: every toggle is priced once, where it is."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from accelgen.accuracy.source import LayerBits
from accelgen.digits.data import digits
from accelgen.digits.supernet import load_supernet
from accelgen.energy import load_energies
from accelgen.names import FrozenMap
from accelgen.processor.design import ProcessorDesign
from accelgen.quantised.run import image_codes
from accelgen.realize.activity import PARTS, PRICES, Prices, _memories, activity, parts_of
from accelgen.realize.estimate import estimate, waiting_pj
from accelgen.realize.kernel import Kernel
from accelgen.realize.point import Point
from accelgen.realize.program import Program, compile_network, design_kernel, largest_bounds
from accelgen.realize.realize import activity_of, build
from accelgen.realize.run import run_program
from accelgen.realize.structure import PAGES, Banks, structure_of
from accelgen.silicon.toggles import Toggles
from accelgen.silicon.vcd import Signal

SG13G2 = load_energies("sg13g2")
NAMES = tuple(field.name for field in fields(Prices) if field.name != "clock")
Built = tuple[ProcessorDesign, Program]


def only(**prices: float) -> Prices:
    """All other prices are zero."""
    clock = replace(PRICES.clock, bit=0.0, gate=0.0, stage=0.0)
    return Prices(clock, **{**dict.fromkeys(NAMES, 0.0), **prices})


def point_with(space: tuple[tuple[str, int], ...], order: str, multiplier: str) -> Point:
    supernet = load_supernet().space
    chosen = supernet.legal(supernet.smallest)
    bits = {layer.name: LayerBits("int4", "uint8") for layer in supernet.layers(chosen)}
    kernel = Kernel(space, tuple(order), (False,) * len(space), multiplier)
    return Point(kernel, chosen, FrozenMap(bits))


def built_of(point: Point) -> Built:
    network = point.network()
    design = design_kernel(point.kernel, largest_bounds([network], point.kernel))
    return design, compile_network(network, point.kernel, design)


@pytest.fixture(scope="module")
def sums() -> Built:
    """Results are added up in memory."""
    built = built_of(point_with((("c", 4),), "crskpq", "composable"))
    assert built[0].flows[0].fabric.output.accumulate
    return built


@pytest.fixture(scope="module")
def plain() -> Built:
    return built_of(point_with((("k", 4), ("q", 2)), "kpqcrs", "plain"))


def toggles_of(*nets: tuple[tuple[str, ...], list[list[int]]]) -> Toggles:
    """Nets by the places that they are at (``path.name``), with toggles [bits x windows]."""
    names = tuple(
        tuple(
            Signal(place.rpartition(".")[0], place.rpartition(".")[2], len(counts), 0)
            for place in places
        )
        for places, counts in nets
    )
    return Toggles(names, tuple(np.array(counts, np.int64) for _, counts in nets), {})


def priced(built: Built, toggles: Toggles, **prices: float) -> dict[str, list[float]]:
    """Parts that are not zero, with all other prices zero."""
    design, program = built
    found = parts_of(program, design, SG13G2, toggles, only(**prices))
    assert found.keys() == set(PARTS) - {"clock"}
    return {part: pj.tolist() for part, pj in found.items() if pj.any()}


@pytest.mark.parametrize(
    ("place", "part", "price"),
    [
        ("array.pe_0_1.sum", "products", "plain"),
        ("stage_y.requantise.scale.y", "output", "output"),
        ("buffer_x.data_0", "inputs", "net"),
        ("buffer_w.data_0", "weights", "net"),
        ("buffer_y.address", "results", "net"),
        ("loader_x.stream", "control", "net"),
        (".busy", "control", "net"),
    ],
)
def test_a_net_has_the_price_of_its_unit(plain: Built, place: str, part: str, price: str) -> None:
    toggles = toggles_of(((place,), [[3, 5], [1, 0]]))
    assert priced(plain, toggles, **{price: 2.0}) == {
        part: pytest.approx([8 * SG13G2.link_pj, 10 * SG13G2.link_pj])
    }
    for other in ("plain", "composable", "blocks", "output", "net"):
        if other != price:
            assert priced(plain, toggles, **{other: 2.0}) == {}


def test_a_net_counts_once_in_each_of_its_units(plain: Built) -> None:
    places = ("buffer_x.data_0", "array.x_in", "array.pe_0_0.x_in", "array.pe_0_1.x_in")
    found = priced(plain, toggles_of((places, [[10]])), plain=1.0, net=1.0)
    assert found == {
        "products": pytest.approx([10 * SG13G2.link_pj]),
        "inputs": pytest.approx([10 * SG13G2.link_pj]),
    }


def test_clocks_and_words_of_memories_are_no_nets(plain: Built) -> None:
    toggles = toggles_of(
        ((".clk", "array.clk"), [[100]]),
        ((".rst",), [[2]]),
        (("buffer_x.bank_0_0.cells[3]",), [[7]]),
    )
    assert priced(plain, toggles, plain=1.0, net=1.0) == {}


def bank(tensor: str, address: list[int], written: int = 0, page: str = "") -> Toggles:
    """A memory with toggles of the bits of its read address."""
    path = f"buffer_{tensor}.bank_0_0{page}"
    toggles = toggles_of(
        ((f"{path}.read_address",), [[count] for count in address]),
        ((f"{path}.write_data",), [[written]]),
        ((f"{path}.read_data",), [[1000]]),
    )
    return replace(toggles, events={(path, "read"): np.array([7]), (path, "write"): np.array([2])})


def memory_of(built: Built, number: int) -> Banks:
    return structure_of(built[0], SG13G2).memories[number]


def test_flip_flops_are_read_by_address_bits(plain: Built) -> None:
    number = next(k for k in range(2) if not memory_of(plain, k).macro)
    banks = memory_of(plain, number)
    words = 2 * banks.words
    bits = (words - 1).bit_length()
    # Half of the bits toggle: as a word at random.
    found = priced(plain, bank("xw"[number], [50] * bits), address=1.0)
    (pj,) = found.values()
    random = 100 * (1 - 0.5**bits) * words / (words - 1) * banks.read_pj
    assert pj == pytest.approx([random])
    # The lowest one alone takes half of that of all, the next one half of it.
    each = [
        next(iter(priced(plain, bank("xw"[number], one), address=1.0).values()))[0]
        for one in np.eye(bits, dtype=int).tolist()
    ]
    assert each[0] == pytest.approx(2 * each[1])
    assert sum(each) * 50 == pytest.approx(random)
    # Every second bit of a word toggles.
    found = priced(plain, bank("xw"[number], [0] * bits, banks.width // 2), write=1.0)
    assert list(found.values()) == [pytest.approx([banks.write_pj])]
    assert priced(plain, bank("xw"[number], [50] * bits, 9), sum_address=1.0, sum_write=1.0) == {}


def test_sums_have_prices_of_their_own(sums: Built) -> None:
    banks = memory_of(sums, -1)
    assert not banks.macro
    bits = (banks.words - 1).bit_length()
    toggles = bank("y", [50] * bits, banks.width // 2, ".page_1")
    words = banks.words
    random = 100 * (1 - 0.5**bits) * words / (words - 1) * banks.read_pj
    assert priced(sums, toggles, sum_address=1.0) == {"results": pytest.approx([random])}
    assert priced(sums, toggles, sum_write=1.0) == {"results": pytest.approx([banks.write_pj])}
    assert priced(sums, toggles, address=1.0, write=1.0) == {}


def test_macros_take_their_accesses(plain: Built) -> None:
    design, program = plain
    cheap = replace(SG13G2, macros=tuple(replace(row, area_mm2=1e-9) for row in SG13G2.macros))
    banks = structure_of(design, cheap).memories[0]
    assert banks.macro
    found = parts_of(program, design, cheap, bank("x", [50] * 4, 100), only())
    assert found["inputs"].tolist() == pytest.approx([7 * banks.read_pj + 2 * banks.write_pj])


def test_an_inference_is_the_mean_of_images(plain: Built) -> None:
    design, program = plain
    whole = estimate(program, design)
    layers = len(program.steps)
    toggles = toggles_of((("array.pe_0_0.sum",), [[30 * (k + 1) for k in range(layers)]]))
    found = activity(program, design, whole, toggles, 3)
    waiting = sum(waiting_pj(structure_of(design, SG13G2), SG13G2, PRICES.clock).values())
    for number, (layer, before) in enumerate(zip(found.layers, whole.layers, strict=True)):
        assert (layer.name, layer.cycles) == (before.name, before.cycles)
        assert layer.energy_pj["products"] == pytest.approx(
            10 * (number + 1) * PRICES.plain * SG13G2.link_pj
        )
        assert layer.energy_pj["clock"] == pytest.approx(waiting * before.cycles)
        assert layer.energy_pj.keys() == set(PARTS)
    assert found.cycles == whole.cycles
    assert found.energy_pj["leakage"] == whole.energy_pj["leakage"]
    assert found.energy_nj == pytest.approx(sum(found.energy_pj.values()) / 1e3)


def test_pages_of_sums_are_the_memories_and_all_around_them_nets(sums: Built) -> None:
    """What sums are added up in declares nets with the names of ports, as it is generated."""
    above = "buffer_y.bank_0_0"
    toggles = toggles_of(
        ((f"{above}.read_address", f"{above}.page_0.read_address"), [[4], [2]]),
        ((f"{above}.write_data", f"{above}.page_0.write_data"), [[6]]),
        ((f"{above}.page_0.read_data",), [[100]]),
        ((f"{above}.total",), [[9]]),
    )
    banks = memory_of(sums, -1)
    words = banks.words
    read = (4 + 2 / 2) * words / (words - 1) * banks.read_pj
    assert priced(sums, toggles, sum_address=1.0) == {"results": pytest.approx([read])}
    # The address, what is written, and the sum.
    assert priced(sums, toggles, net=1.0) == {
        "results": pytest.approx([(6 + 6 + 9) * SG13G2.link_pj])
    }


@pytest.mark.rtl
@pytest.mark.parametrize(
    ("space", "order", "pages"),
    [((("k", 4), ("q", 2)), "kpqcrs", 1), ((("c", 4),), "crskpq", PAGES)],
    ids=["held", "sums"],
)
def test_images_that_change_nothing_take_less(
    tmp_path: Path, space: tuple[tuple[str, int], ...], order: str, pages: int
) -> None:
    """Prices are of what switches: the same design, program and cycles."""
    realised = build(point_with(space, order, "composable"), tmp_path / "chip")
    images = digits("validation").images[:3]
    counted = []
    for some in (images, np.zeros_like(images)):
        codes: NDArray[np.int64] = image_codes(realised.program.network, some)
        found = run_program(realised.program, tmp_path / "chip" / "realised.v", codes)
        assert found.faults == ()
        assert found.toggles is not None
        counted.append(found.toggles)
    taken = [activity_of(realised, toggles, 3) for toggles in counted]
    full, empty = (one.energy_pj for one in taken)
    assert full["clock"] == empty["clock"]
    assert all(full[part] > 0 for part in PARTS)
    assert empty["products"] < 0.9 * full["products"]
    assert empty["inputs"] < full["inputs"]
    # Of the same design in closed form.
    assert full.keys() - {"control"} == realised.estimate.energy_pj.keys()
    assert 0.75 < taken[0].energy_nj / realised.estimate.energy_nj < 1.3
    # The memories are those of the plan, a page of sums each.
    memories = structure_of(realised.design, SG13G2).memories
    toggles = counted[0]
    paths = list(_memories(toggles))
    for tensor, banks in zip("xwy", memories, strict=True):
        mine = [path for path in paths if path.startswith(f"buffer_{tensor}.")]
        assert len(mine) == banks.count * (pages if tensor == "y" else 1)
        assert {path.endswith(("page_0", "page_1")) for path in mine} == {
            tensor == "y" and pages > 1
        }
    # Every result of a layer leaves within its window, and nothing between two windows.
    sent = next(
        counts
        for signals, counts in zip(toggles.names, toggles.counts, strict=True)
        if any((one.path, one.name) == ("", "m_axis_y_tlast") for one in signals)
    )
    assert sent.tolist() == [[2 * 3] * len(realised.program.steps)]
