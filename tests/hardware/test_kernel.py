"""Generated kernels as hardware: the model's compute cycles are those of the RTL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from math import prod
from pathlib import Path

import pytest

from accelgen.affine.description import Description, load_description, parse_description
from accelgen.affine.roles import loop_roles
from accelgen.emit import to_manifest
from accelgen.energy import load_energies
from accelgen.errors import InputError
from accelgen.hardware import Hardware, hardware_of_kernel, hardware_values, load_hardware
from accelgen.manifest import Manifest
from accelgen.mapper import best_mapping, problem_of
from accelgen.pipeline import design, predict
from tests.shipped import SIZES, sized

TECHNOLOGY = "cacti_45nm_lop"
RTL_OUT = Path(__file__).parents[2] / "rtl_out"


def manifest_of(description: Description) -> Manifest:
    return to_manifest(design(description))


def unrollings(hardware: Hardware, description: Description) -> Iterator[dict[str, int]]:
    """Every choice of a loop per axis, as the units that each loop is spread over."""
    roles = loop_roles(description.workload)
    (dataflow,) = hardware.dataflows
    axes = list(dataflow.unrolls)
    choices = [[x for x in roles if roles[x] in dataflow.unrolls[axis]] for axis in axes]
    for loops in product(*choices):
        if len(set(loops)) == len(loops):
            yield {x: hardware.array[axis] for x, axis in zip(loops, axes, strict=True)}


def modelled(hardware: Hardware, description: Description) -> int:
    """Compute cycles as :class:`Hardware` says: steps, skew of the units in use, and fill."""
    bounds = description.workload.bounds
    found = []
    for spread in unrollings(hardware, description):
        used = {x: min(n, bounds[x]) for x, n in spread.items()}
        steps = prod(-(-n // used.get(x, 1)) for x, n in bounds.items())
        found.append(steps + hardware.fill)
    assert hardware.skewed == ()
    return min(found)


def sizes(name: str) -> Iterator[Description]:
    """A shipped dataflow at its own sizes, at those simulated in tests/test_shipped_rtl.py, and at
    twice its own.
    """
    description = load_description(name)
    bounds = description.workload.bounds
    yield description
    yield from (sized(name, number) for number in range(len(SIZES[name])))
    yield description.with_overrides(bounds={x: 2 * n if n > 3 else n for x, n in bounds.items()})


@pytest.mark.parametrize("name", sorted(SIZES))
def test_cycles_of_a_kernel_are_those_of_its_rtl(name: str) -> None:
    for description in sizes(name):
        hardware = hardware_of_kernel(manifest_of(description), TECHNOLOGY)
        assert modelled(hardware, description) == predict(description).compute_cycles


@pytest.mark.parametrize("name", sorted(SIZES))
def test_a_kernel_of_another_size_has_another_pipeline_alone(name: str) -> None:
    description = load_description(name)
    hardware = hardware_of_kernel(manifest_of(description), TECHNOLOGY)
    bounds = description.workload.bounds
    other = description.with_overrides(bounds={x: n - 1 if n > 3 else n for x, n in bounds.items()})
    difference = modelled(hardware, other) - predict(other).compute_cycles
    assert difference == hardware.fill - hardware_of_kernel(manifest_of(other), TECHNOLOGY).fill
    assert abs(difference) <= 2  # what counters of sizes that divide the array save


@pytest.mark.parametrize("name", sorted(SIZES))
def test_the_best_mapping_takes_the_cycles_of_the_rtl(name: str) -> None:
    for number in range(len(SIZES[name])):
        description = sized(name, number)
        manifest = manifest_of(description)
        found = best_mapping(
            problem_of(description.workload), hardware_of_kernel(manifest, TECHNOLOGY), "latency"
        )
        assert found.cost.compute_cycles == manifest.predicted.compute_cycles


def test_what_a_kernel_is() -> None:
    description = load_description("gemm_os_systolic").with_overrides(
        bounds={"m": 8, "n": 8, "k": 8}, space={"i": 4, "j": 4}
    )
    manifest = manifest_of(description)
    hardware = hardware_of_kernel(manifest, TECHNOLOGY)
    energies = load_energies(TECHNOLOGY)
    assert dict(hardware.array) == {"i": 4, "j": 4}
    assert hardware.clock_mhz == pytest.approx(1000 / 4.5)
    (dataflow,) = hardware.dataflows
    assert dict(dataflow.unrolls) == {"i": ("p",), "j": ("k",)}
    assert dataflow.stationary == "outputs"
    memories, streams = hardware.levels
    sizes = {role: memories.memory(role).size for role in ("inputs", "weights", "outputs")}
    assert sizes == {"inputs": 2 * 64, "weights": 2 * 64, "outputs": 2 * 64 * 19 // 8}
    assert all(memory.buffers == 2 for memory in memories.memories)
    assert memories.memory("weights").read_pj == energies.sram(16, 8).read_pj  # 8 banks of 8 x 2
    (outside,) = streams.memories
    assert outside.bandwidth == 8 + 8 + 64 * 19 / 8 / 22  # three outputs of 19 bits in a beat
    assert outside.read_pj == 0
    assert hardware.mac_energy("int8*int8") == energies.macs["int8*int8"].pj
    with pytest.raises(InputError, match=r"no units for fp32\*fp32"):
        hardware.mac_energy("fp32*fp32")
    assert "CACTI" in hardware.sources


def test_three_factors_are_two_multiplications() -> None:
    hardware = hardware_of_kernel(manifest_of(sized("mttkrp", 0)), TECHNOLOGY)
    expected = 2 * load_energies(TECHNOLOGY).macs["int8*int8"].pj
    assert hardware.mac_energy("int8*int8*int8") == expected


def test_waiting_for_a_shift_chain_is_part_of_the_fill() -> None:
    long, short = (
        load_description("gemm_os_systolic").with_overrides(bounds={"m": 32, "n": 32, "k": k})
        for k in (16, 4)
    )
    assert predict(long).chain_wait == 0
    assert predict(short).chain_wait > 0
    fills = [hardware_of_kernel(manifest_of(d), TECHNOLOGY).fill for d in (long, short)]
    assert fills[1] - fills[0] == predict(short).chain_wait


def test_a_sum_of_one_tensor_has_a_place_for_every_role() -> None:
    text = (
        "{name: total, expression: 'Y[i] += X[i,k]', bounds: {i: 8, k: 8}, space: {a: 4}, "
        "time: [i1, k], map: {i: 4*i1 + a}}"
    )
    description = parse_description(text)
    hardware = hardware_of_kernel(manifest_of(description), TECHNOLOGY)
    assert hardware.levels[0].memory("weights") is hardware.levels[0].memory("inputs")


def test_folders_and_manifests_are_hardware(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = manifest_of(load_description("fir"))
    changed = manifest.to_json() | {"technology": TECHNOLOGY}
    (tmp_path / "manifest.json").write_text(json.dumps(changed))
    expected = hardware_of_kernel(manifest, TECHNOLOGY)
    assert load_hardware(tmp_path) == expected
    assert load_hardware(str(tmp_path / "manifest.json")) == expected
    assert hardware_values(tmp_path)["fill"] == expected.fill
    (tmp_path / "array16_64k").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_hardware("array16_64k").name == "array16_64k"  # shipped names come first
    with pytest.raises(InputError, match=r"no manifest\.json"):
        load_hardware("./array16_64k")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"description": None}, "no description"),
        ({"period_ns": 0}, "no period"),
        ({"memories": {"X": 4}}, "no bank"),
        ({"memories": {"X": [{"banks": 1, "words": 4, "bits": 8}]}}, "no bank"),
        ({"memories": {"Z": [{"banks": 1, "words": 4, "bits": 8, "pages": 2}]}}, "no bank"),
        ({"memories": {}}, "no memories"),
        ({"technology": "sg14"}, "unknown technology"),
        ({"technology": "cacti_22nm_lop"}, "no energy of int8"),
    ],
)
def test_manifests_that_lack_something_are_refused(change: dict[str, object], said: str) -> None:
    values = manifest_of(load_description("fir")).to_json() | {"technology": TECHNOLOGY}
    with pytest.raises(InputError, match=said):
        hardware_of_kernel(Manifest.from_json(values | change))


@pytest.mark.parametrize("folder", ["reference_conv_rs", "reference_gemm_os"])
def test_committed_designs_are_hardware(folder: str) -> None:
    manifest = Manifest.read(RTL_OUT / folder)
    hardware = hardware_of_kernel(manifest, TECHNOLOGY)
    assert hardware.units > 1
    assert 0 < hardware.fill < manifest.predicted.compute_cycles
