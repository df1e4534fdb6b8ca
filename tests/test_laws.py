"""Laws 1 to 3 of the design on random legal dataflows, by simulation of the generated Verilog,
and law 5 on FIFOs.

For every dataflow drawn, all of these: the result equals NumPy's element for element, both cycle
counts equal the closed-form model's, and neither pauses on every port nor packets of wrong length
change a result.  Bus width, clock period and technology are drawn too.

The default tier draws few.  The slow tier draws ``ACCELGEN_LAWS`` of them, 220 unless set, afresh
in every run (2 to 4 seconds each)::

    pytest tests/test_laws.py -m slow
    ACCELGEN_LAWS=1000 pytest tests/test_laws.py -m slow
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accelgen.affine import Dataflow, Description, Workload
from accelgen.cosim.lint import lint
from accelgen.cosim.verify import verify
from accelgen.emit import to_manifest, to_verilog
from accelgen.errors import InfeasibleError
from accelgen.passes import PASSES
from accelgen.pipeline import design, generate, predict
from accelgen.technology import load_technology
from tests.affine.strategies import block_descriptions, descriptions
from tests.shipped import sized

pytestmark = pytest.mark.rtl

MANY = int(os.environ.get("ACCELGEN_LAWS", "220"))


@dataclass(frozen=True)
class Options:
    """The options of one design."""

    period: float | None
    technology: str
    bus_bits: int
    without: frozenset[str] = frozenset()


@st.composite
def options(draw: st.DrawFn, description: Description) -> Options:
    """Any bus that takes an element, and a period from impossible to leisurely.

    A period that is too short is replaced by the shortest.
    """
    technology = draw(st.sampled_from(("sg13g2", "asap7")))
    kernel = description.lower()
    widest = max(kernel.result_bits, *(tensor.format.bits for tensor in kernel.inputs))
    bus = draw(st.sampled_from([n for n in range(16, 289, 8) if widest <= n < 128 + widest]))
    scale = draw(st.sampled_from((None, 0.4, 0.7, 1.0, 3.0)))
    period = None if scale is None else scale * load_technology(technology).default_period
    try:
        predict(description, period=period, technology=technology, bus_bits=bus)
    except InfeasibleError:
        period = None
    return Options(period, technology, bus)


@st.composite
def designs(draw: st.DrawFn, drawn: st.SearchStrategy[Description]) -> tuple[Description, Options]:
    description = draw(drawn)
    return description, draw(options(description))


@st.composite
def subsets(draw: st.DrawFn) -> tuple[Description, Options]:
    """A dataflow of either kind, and any of the passes left out."""
    description = draw(st.one_of(descriptions(), descriptions(), block_descriptions()))
    left_out = draw(st.sets(st.sampled_from([step.name for step in PASSES]), min_size=1))
    return description, Options(None, "sg13g2", 256, frozenset(left_out))


def check(drawn: tuple[Description, Options]) -> None:
    description, chosen = drawn
    with tempfile.TemporaryDirectory(prefix="accelgen-law-") as scratch:
        folder = Path(scratch) / "design"
        made = generate(
            description,
            folder,
            period=chosen.period,
            technology=chosen.technology,
            bus_bits=chosen.bus_bits,
            without=chosen.without,
        )
        model = predict(
            description,
            period=chosen.period,
            technology=chosen.technology,
            bus_bits=chosen.bus_bits,
            without=chosen.without,
        )
        assert model == made.cycles
        assert lint(folder).problems == ()
        report = verify(folder, problems=2)
        assert report.faults == ()
        assert report.measured_compute == model.compute_cycles
        assert report.measured_total == model.total_cycles


RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@given(designs(descriptions()))
@settings(max_examples=3, derandomize=True, database=None, suppress_health_check=RELAXED)
def test_a_random_dataflow_keeps_the_laws(drawn: tuple[Description, Options]) -> None:
    check(drawn)


@given(designs(block_descriptions()))
@settings(max_examples=2, derandomize=True, database=None, suppress_health_check=RELAXED)
def test_a_random_dataflow_of_blocks_keeps_the_laws(drawn: tuple[Description, Options]) -> None:
    check(drawn)


@given(subsets())
@settings(max_examples=3, derandomize=True, database=None, suppress_health_check=RELAXED)
def test_a_random_dataflow_keeps_the_laws_without_some_passes(
    drawn: tuple[Description, Options],
) -> None:
    check(drawn)


@pytest.mark.slow
@given(subsets())
@settings(max_examples=MANY // 2, suppress_health_check=RELAXED)
def test_many_random_dataflows_keep_the_laws_without_some_passes(
    drawn: tuple[Description, Options],
) -> None:
    check(drawn)


@pytest.mark.slow
@given(designs(descriptions()))
@settings(max_examples=MANY, suppress_health_check=RELAXED)
def test_many_random_dataflows_keep_the_laws(drawn: tuple[Description, Options]) -> None:
    check(drawn)


@pytest.mark.slow
@given(designs(block_descriptions()))
@settings(max_examples=MANY // 4, suppress_health_check=RELAXED)
def test_many_random_dataflows_of_blocks_keep_the_laws(
    drawn: tuple[Description, Options],
) -> None:
    check(drawn)


@pytest.mark.parametrize(
    ("name", "port", "depth", "change"),
    [
        ("conv2d_os_shidiannao", "x_near", 3, -1),
        pytest.param("conv2d_os_shidiannao", "x_near", 3, 1, marks=pytest.mark.slow),
        pytest.param("conv2d_strided", "x_near", 6, -1, marks=pytest.mark.slow),
        ("fir", "from_partial0", 2, -1),
    ],
)
def test_a_fifo_of_another_depth_fails(
    name: str, port: str, depth: int, change: int, tmp_path: Path
) -> None:
    made = design(sized(name, 0))
    nodes = made.pipeline.netlist.nodes
    fifo = [
        (n, k)
        for n, node in enumerate(nodes)
        for k, edge in enumerate(node.inputs)
        if edge.port == port and edge.delay == depth
    ]
    assert fifo
    registers = tuple(
        tuple(count + change * ((n, k) in fifo) for k, count in enumerate(counts))
        for n, counts in enumerate(made.pipeline.registers)
    )
    broken = replace(made, pipeline=replace(made.pipeline, registers=registers))
    (tmp_path / f"{name}.v").write_text(to_verilog(broken), encoding="utf-8")
    to_manifest(made).write(tmp_path)
    report = verify(tmp_path, problems=2)
    assert any(fault.startswith("random: result 1 of 1: Y") for fault in report.faults)
    # Data in the wrong order; control goes on as ever.
    assert report.measured_compute == made.cycles.compute_cycles
    assert report.measured_total == made.cycles.total_cycles


UNLIKE_SUMS = {
    # A tree joins a bare product with a chained sum, which is wider.
    "tree": Description(
        "unequal_tree",
        Workload("Y[n] += A[p,c] * B[p,c,n]", {"n": 2, "p": 4, "c": 2}),
        Dataflow({"i": 4, "j": 2}, ["n"], {"p": "i", "c": "j"}, {"i": 2, "j": 3}),
    ),
    # Sums over anti-diagonals of different length drain through one chain.
    "drain": Description(
        "diagonals",
        Workload("Y[a + b] += X[a,k] * W[b,k]", {"a": 4, "b": 2, "k": 8}),
        Dataflow({"i": 4, "j": 2}, ["k"], {"a": "i", "b": "j"}),
    ),
}


@pytest.mark.rtl
@pytest.mark.parametrize("name", UNLIKE_SUMS)
def test_sums_of_different_size_keep_their_width(name: str, tmp_path: Path) -> None:
    generate(UNLIKE_SUMS[name], tmp_path / name)
    assert verify(tmp_path / name, problems=2).faults == ()
