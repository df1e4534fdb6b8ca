"""Fused netlists: to each dataflow they are its own netlist, and they make hardware.

The simulated designs are those of which results were wrong once.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from accelgen.affine import Dataflow, Description, Workload, load_description
from accelgen.cosim.verify_processor import verify_processor
from accelgen.errors import InputError
from accelgen.netlist.fuse import conditions_of, fuse
from accelgen.netlist.graph import Edge, Netlist, Node
from accelgen.processor.design import design_processor, netlists_of
from accelgen.processor.flow import make_flows
from accelgen.processor.generate import generate_processor
from accelgen.rtl.unit import unit_shapes
from tests.processor.test_laws import fusible
from tests.tiers import examples


def described(
    name: str,
    expression: str,
    bounds: dict[str, int],
    types: str,
    space: dict[str, int],
    time: tuple[str | tuple[str, int], ...],
    map: dict[str, str],
    skew: dict[str, int],
) -> Description:
    named = dict(zip("ABC", types.split(), strict=False)) | {"Y": "int32"}
    dataflow = Dataflow(space=space, time=time, map=map, skew=skew, chain={})
    return Description(name, Workload(expression, bounds, named), dataflow)


def gemm(name: str) -> Description:
    return load_description(name).with_overrides(
        space={"i": 2, "j": 2}, bounds={"m": 4, "n": 4, "k": 4}, types={"Y": "int32"}
    )


CASES = {
    # The second has a guard less, and its first iteration comes sooner than the first's guard.
    "fewer guards": [
        described(
            "one",
            "Y[p,0,2*n - 2*m + 2] += A[-m + 1,1,-2*m + 3,k,r]",
            {"m": 2, "n": 5, "k": 5, "p": 3, "r": 2},
            "uint4",
            {"i": 2, "j": 4, "l": 1},
            ("mt", "p", "kt", "nt", ("rd", 3)),
            {
                "m": "size(i)*mt + size(i) - 1 - i",
                "n": "size(j)*nt + j",
                "k": "size(k) - 1 - size(l)*kt - l",
                "r": "rd - i",
            },
            {"i": -2, "j": 1, "l": 3},
        ),
        described(
            "other",
            "Y[-r + 1] += A[2*n - 2*m + 2,0,k,p]",
            {"m": 2, "n": 2, "k": 2, "p": 4, "r": 2},
            "uint4",
            {"i": 2, "j": 4, "l": 1},
            ("kt", "mt", "r", "n", "pt"),
            {
                "p": "size(i)*pt + size(i) - 1 - i",
                "m": "size(j)*mt + j",
                "k": "size(l)*kt + l",
            },
            {"i": 1, "j": 2, "l": -2},
        ),
    ],
    # What is passed on comes before the issue, if the inputs of sums are in the order met.
    "passed on first": [gemm("gemm_ws_systolic"), gemm("gemm_os_systolic")],
    # B is loaded through a chain in one, from the memory in the other.
    "chain and direct": [
        described(
            "one",
            "Y[m + 2*k] += A[1] * B[0,0,3*p + 1,n,r]",
            {"m": 4, "n": 4, "k": 2, "p": 3, "r": 5},
            "int11 int4",
            {"i": 4},
            ("k", "n", "r", ("pd", 6), "mt"),
            {"m": "size(i)*mt + i", "p": "pd - i"},
            {"i": 2},
        ),
        described(
            "other",
            "Y[-2*n + 1,0] += A[-2*m - 2*n + 6] * B[2*n]",
            {"m": 4, "n": 1},
            "int11 int4",
            {"i": 4},
            ("nt", ("m0", 1), "m1"),
            {"n": "size(i)*nt + i", "m": "size(m0)*m1 + m0"},
            {"i": -1},
        ),
    ],
    # Sums that are passed on two ways, fused with others that stay.
    "two ways": [
        described(
            "one",
            "Y[1,0] += A[2*k - n + 1,-m - 2*n + 3] * B[0,-2*m + k + 7] * C[3*n,0]",
            {"m": 4, "n": 1, "k": 4},
            "int11 int3 int4",
            {"i": 3, "j": 3},
            ("nt", "k", "mt"),
            {"m": "size(i)*mt + i", "n": "size(j)*nt + size(j) - 1 - j"},
            {"i": 1, "j": -2},
        ),
        described(
            "other",
            "Y[2*k + 1] += A[1] * B[2*k + p,3*p + 3*m + 1,-2*p + k + 2] * C[-2*p + m + 3,n]",
            {"m": 3, "n": 2, "k": 4, "p": 2},
            "int11 int3 int4",
            {"i": 3, "j": 3},
            ("pt", "nt", "k1", "m", ("k0", 1)),
            {"n": "size(i)*nt + i", "p": "size(j)*pt + j", "k": "size(k0)*k1 + k0"},
            {"i": 1, "j": 2},
        ),
    ],
    # Accumulators before trees in one, behind them in the other.
    "before and behind trees": [
        described(
            "one",
            "Y[0,n,0] += A[0,2*n,-2*p + 2*k + 8] * B[2*m + 2*k] * C[1,3*m]",
            {"m": 1, "n": 1, "k": 4, "p": 5},
            "int7 int3 int4",
            {"i": 2, "j": 3},
            (("md", 2), "kt", "pt", "n"),
            {
                "p": "size(p) - 1 - size(i)*pt - i",
                "k": "size(j)*kt + size(j) - 1 - j",
                "m": "md - i",
            },
            {"i": -2, "j": 0},
        ),
        described(
            "other",
            "Y[2*n - 2*p + 7] += A[2*n + m,3*m + 1,m + p] * B[n,0,0] * C[-2*n + p + 4,n + 1,n,k]",
            {"m": 2, "n": 3, "k": 4, "p": 4},
            "int7 int3 int4",
            {"i": 2, "j": 3},
            (("nd", 4), "kt", "pt", "m"),
            {
                "p": "size(i)*pt + size(i) - 1 - i",
                "k": "size(j)*kt + size(j) - 1 - j",
                "n": "nd - i",
            },
            {"i": -2, "j": 0},
        ),
    ],
}

Input = tuple[tuple[object, ...], int]
"""What an input is to one dataflow: a condition, or a node's home, kind and name; and the delay."""


class Seen:
    """A fused netlist as one dataflow sees it."""

    def __init__(self, fused: Netlist, number: int, dataflows: int) -> None:
        self.fused = fused
        self.number = number
        self.dataflows = dataflows
        self.nodes = {(node.home, node.name): node for node in fused.nodes}
        assert len(self.nodes) == len(fused.nodes)

    def node(self, own: Node) -> Node:
        """The fused one of a node of the dataflow."""
        found = self.nodes.get((own.home, own.name))
        if found is None or found.kind != own.kind:
            found = self.nodes[own.home, f"{own.name}_{own.kind}"]
        assert found.kind == own.kind
        return found

    def input(self, edge: Edge) -> Input:
        source, delay = self.fused.nodes[edge.source], edge.delay
        if source.kind == "choose":
            choice = source.inputs[int(str(source.parameters[self.number]))]
            source, delay = self.fused.nodes[choice.source], delay + choice.delay
        if source.kind == "flag":
            return ("flag", conditions_of(source, self.dataflows)[self.number]), delay
        return (source.home, source.kind, source.name), delay

    def own(self, netlist: Netlist, edge: Edge) -> Input:
        source = netlist.nodes[edge.source]
        if source.kind == "flag":
            return ("flag", source.parameters), edge.delay
        found = self.node(source)
        return (found.home, found.kind, found.name), edge.delay

    def check(self, netlist: Netlist) -> None:
        """What units make of their inputs is what the dataflow's own netlist says."""
        for node in netlist.nodes:
            if node.kind == "flag":
                continue
            fused = self.node(node)
            wanted = [self.own(netlist, edge) for edge in node.inputs]
            late = max((d for source, d in wanted if source[0] == "flag"), default=0)
            taken = [self.input(edge) for edge in fused.inputs]
            if node.kind == "accumulate":
                self._sum(node, fused, wanted, taken, late)
                continue
            if node.kind != "gate":
                assert taken == wanted, node.name
                continue
            # Conditions have no order, and those that the dataflow lacks are high.
            assert taken[0] == wanted[0], node.name
            lacked = [one for one in taken[1:] if one[0] == ("flag", None)]
            assert set(taken[1:]) - set(lacked) == set(wanted[1:]), node.name
            assert len(taken) == len(wanted) + len(lacked)
            for one in lacked:
                self._high(one, late)

    def _sum(
        self, node: Node, fused: Node, wanted: list[Input], taken: list[Input], late: int
    ) -> None:
        issued = any(edge.port == "issue" for edge in fused.inputs)
        assert taken[:2] == wanted[:2]
        if fused.parameters[:1] == ("chained",):
            passed = fused.parameters[1]
            assert isinstance(passed, tuple)
            assert passed[self.number] == (node.parameters[:1] == ("passed",))
            assert fused.parameters[2] == issued
            assert taken[-1] == (("flag", ("dataflow",)), 0)
            if passed[self.number]:
                assert taken[-2] == wanted[-1]
        else:
            assert len(taken) == 2 + issued
        if any(edge.port == "issue" for edge in node.inputs):
            assert taken[2] == wanted[2]
        elif issued:
            self._high(taken[2], late)

    def _high(self, given: Input, late: int) -> None:
        """A flag that the dataflow lacks counts from its first iteration on, not from later."""
        source, delay = given
        assert source == ("flag", None)
        assert delay <= late


def check(descriptions: list[Description]) -> None:
    netlists = netlists_of(make_flows(descriptions))
    fused = fuse(netlists)
    if len(netlists) > 1:
        for number, netlist in enumerate(netlists):
            Seen(fused, number, len(netlists)).check(netlist)
    made = design_processor(descriptions, "fused")
    for shape in unit_shapes(made.pipeline, ("pe", "sum", "exit")).values():
        names = [name for name, _ in shape.ports]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES)
def test_to_each_dataflow_the_fused_netlist_is_its_own(case: str) -> None:
    check(CASES[case])
    check(CASES[case][::-1])


@given(fusible())
@settings(
    max_examples=examples(50, 2000), suppress_health_check=list(HealthCheck), derandomize=True
)
def test_random_dataflows_are_their_own_when_fused(drawn: list[Description]) -> None:
    try:
        check(drawn)
    except InputError as error:
        # What accelgen says it cannot do is no failure of what it does.
        if not any(text in str(error) for text in ("depend on", "depends on", "bits, the bus")):
            raise


@pytest.mark.rtl
@pytest.mark.parametrize(
    "case",
    # The laws above find what was wrong with the others.
    [
        case if case == "passed on first" else pytest.param(case, marks=pytest.mark.slow)
        for case in CASES
    ],
)
def test_fused_designs_that_were_wrong_are_right(case: str, tmp_path: Path) -> None:
    folder = tmp_path / "design"
    generate_processor(CASES[case], folder, name="fused")
    assert verify_processor(folder, seed=1, problems=4).faults == ()


def test_no_register_waits_for_any_dataflow_at_all() -> None:
    # A link that each of the two takes from elsewhere is read in both: nothing to wait for.
    bounds = {"k": 4, "c": 20, "p": 3, "q": 3}
    convolution = load_description("conv2d_ws_nvdla").with_overrides(
        space={"i": 2, "j": 2}, bounds=bounds, types={"Y": "int32"}
    )
    gemm = load_description("gemm_ws_systolic").with_overrides(
        space={"i": 2, "j": 2}, bounds={"m": 5, "n": 4, "k": 4}, types={"Y": "int32"}
    )
    made = design_processor([convolution, gemm], "both")
    nodes = made.pipeline.netlist.nodes
    terms = [term for enable in made.pipeline.enables for term in enable.terms]
    assert terms
    assert all(len(values) < 1 << nodes[wire].format.bits for wire, values in terms)
    assert "module both" in made.verilog()
