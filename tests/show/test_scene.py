from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from accelgen.affine import load_description
from accelgen.content import content_path, list_content
from accelgen.fabric.build import build_fabric
from accelgen.fabric.fabric import Fabric, InputPlan
from accelgen.fabric.space import Grid
from accelgen.show.scene import Arrow, Node, Panel, Scene, make_scene

Shown = tuple[Fabric, Scene]


@pytest.fixture(scope="module", params=list_content("dataflows"))
def shown(request: pytest.FixtureRequest) -> Shown:
    description = load_description(content_path("dataflows", request.param))
    fabric = build_fabric(description.lower())
    return fabric, make_scene(fabric)


def inputs(shown: Shown) -> list[tuple[InputPlan, Panel]]:
    fabric, scene = shown
    return list(zip(fabric.inputs, scene.panels[:-1], strict=True))


def units(arrows: list[Arrow]) -> Counter[tuple[int, int, int]]:
    return Counter((a.source.number, a.target.number, a.delay) for a in arrows)


def of_kind(panel: Panel, *kinds: str) -> list[Arrow]:
    return [arrow for arrow in panel.arrows if arrow.kind in kinds]


def test_one_panel_per_tensor_inputs_first(shown: Shown) -> None:
    fabric, scene = shown
    names = [tensor.name for tensor in fabric.kernel.tensors]
    assert [panel.tensor for panel in scene.panels] == names
    assert [panel.is_output for panel in scene.panels] == [False] * (len(names) - 1) + [True]


def test_every_link_appears_once_with_its_depth(shown: Shown) -> None:
    for plan, panel in inputs(shown):
        links = plan.interconnect
        expected = Counter(
            (giver, unit, links.links[links.link[unit]].depth)
            for unit, giver in enumerate(links.giver)
            if giver >= 0
        )
        arrows = of_kind(panel, "hop", "fifo")
        assert units(arrows) == expected
        assert all((a.kind == "hop") == (a.delay == 1) for a in arrows)
        assert all(a.label == ("" if a.delay == 1 else str(a.delay)) for a in arrows)


def test_links_without_a_step_in_time_take_as_long_as_the_skew(shown: Shown) -> None:
    fabric, _ = shown
    for plan, panel in inputs(shown):
        links = plan.interconnect
        for arrow in of_kind(panel, "hop", "fifo"):
            unit, giver = arrow.target.number, arrow.source.number
            if not links.links[links.link[unit]].predicated:
                assert arrow.delay == fabric.offsets[unit] - fabric.offsets[giver]


def test_wires_reach_every_unit_of_a_cluster_once(shown: Shown) -> None:
    for plan, panel in inputs(shown):
        head = plan.interconnect.head
        wires = of_kind(panel, "wire")
        assert sorted(a.target.number for a in wires) == [
            unit for unit, first in enumerate(head) if unit != first
        ]
        assert all(head[a.source.number] == head[a.target.number] for a in wires)


def test_wires_of_a_grid_join_neighbours() -> None:
    description = load_description(content_path("dataflows", "conv2d_os_shidiannao"))
    panel = make_scene(build_fabric(description.lower())).panels[1]
    grid = Grid((4, 4))
    for wire in of_kind(panel, "wire"):
        a, b = grid.coordinates(wire.source.number), grid.coordinates(wire.target.number)
        assert sum(abs(x - y) for x, y in zip(a, b, strict=True)) == 1


def test_every_memory_slot_of_an_input_has_its_ports(shown: Shown) -> None:
    for plan, panel in inputs(shown):
        ports = of_kind(panel, "port", "fallback")
        assert Counter((a.source, a.target) for a in ports) == Counter(
            (Node("memory", slot), Node("unit", unit))
            for unit, slot in enumerate(plan.slot)
            if slot >= 0
        )
        for port in ports:
            linked = plan.interconnect.giver[port.target.number] >= 0
            assert (port.kind == "fallback") == linked


def test_chains_appear_hop_by_hop(shown: Shown) -> None:
    fabric, scene = shown
    groups = fabric.output.reduction.groups
    chains = (*(plan.chain for plan in fabric.inputs), fabric.output.chain)
    for chain, panel in zip(chains, scene.panels, strict=True):
        hops = of_kind(panel, "load", "drain")
        if chain is None:
            assert hops == []
            continue
        expected = Counter(
            (run[k], run[k + 1], delay)
            for number, run in enumerate(chain.runs)
            for k, delay in enumerate(chain.hops(number))
        )
        if panel.is_output:
            member = {
                Node("unit", g.ends[0]) if len(g.ends) == 1 else Node("sum", n): n
                for n, g in enumerate(groups)
            }
            found = Counter((member[a.source], member[a.target], a.delay) for a in hops)
        else:
            found = units(hops)
        assert found == expected


def test_sums_appear_with_the_skew_they_cross(shown: Shown) -> None:
    fabric, scene = shown
    panel, reduction = scene.panels[-1], fabric.output.reduction
    assert units(of_kind(panel, "partial")) == Counter(
        (source, unit, fabric.offsets[unit] - fabric.offsets[source])
        for unit, sources in enumerate(reduction.partials)
        for source in sources
    )
    trees = {n: g for n, g in enumerate(reduction.groups) if len(g.ends) > 1}
    assert {tree.number: tree.ends for tree in panel.sums} == {
        n: group.ends for n, group in trees.items()
    }
    assert Counter((a.source.number, a.target.number) for a in of_kind(panel, "tree")) == Counter(
        (end, n) for n, group in trees.items() for end in group.ends
    )


def test_data_flows_from_memory_to_every_unit_and_back(shown: Shown) -> None:
    fabric, scene = shown
    everything = {Node("unit", unit) for unit in range(fabric.kernel.units)}
    for panel in scene.panels:
        near: dict[Node, list[Node]] = defaultdict(list)
        memories = set()
        for arrow in panel.arrows:
            ends = (arrow.target, arrow.source) if panel.is_output else (arrow.source, arrow.target)
            near[ends[0]].append(ends[1])
            memories |= {end for end in ends if end.what == "memory"}
        reached, todo = set(memories), list(memories)
        while todo:
            for node in near[todo.pop()]:
                if node not in reached:
                    reached.add(node)
                    todo.append(node)
        assert everything <= reached


def test_registers_and_accumulators_are_marked(shown: Shown) -> None:
    fabric, _ = shown
    for plan, panel in inputs(shown):
        assert bool(panel.held) == (plan.hold is not None)
    output = shown[1].panels[-1]
    keeps = bool(output.held) or any(tree.held for tree in output.sums)
    assert keeps == (fabric.output.hold is not None)


def test_counts_of_a_systolic_gemm() -> None:
    description = load_description(content_path("dataflows", "gemm_os_systolic"))
    small = description.with_overrides(space={"i": 3, "j": 4})
    scene = make_scene(build_fabric(small.lower()))
    assert scene.panels[0].counts == {"port": 3, "hop": 9}
    assert scene.panels[1].counts == {"port": 4, "hop": 8}
    assert scene.panels[2].held == tuple(range(12))
