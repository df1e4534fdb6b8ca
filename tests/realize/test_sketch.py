"""The layout of kernels in closed form is the one that designs have."""

from __future__ import annotations

import random
from dataclasses import replace
from math import prod

import pytest

from accelgen.errors import InputError
from accelgen.fabric.fabric import Fabric
from accelgen.names import FrozenMap
from accelgen.processor.flow import make_flows, retarget
from accelgen.processor.output_stage import summed_in_32_bits
from accelgen.realize.accesses import traffic_of
from accelgen.realize.kernel import LOOPS, Kernel, describe
from accelgen.realize.sketch import sketch_of, tiles_of

Bounds = FrozenMap[str, int]


def drawn(draws: random.Random) -> tuple[Kernel, Bounds, Bounds]:
    """A kernel, the largest bounds and those of a layer, in words or blocks; no two axes along
    which the index of the input is a sum.
    """
    while True:
        along = draws.sample(LOOPS, draws.choice((1, 2, 2, 3)))
        if not ({"p", "r"} <= set(along) or {"q", "s"} <= set(along)):
            break
    space = tuple((loop, draws.choice((1, 2, 3, 4, 8))) for loop in along)
    multiplier = draws.choice(("plain", "composable", "nvfp4"))
    kernel = Kernel(
        space,
        tuple(draws.sample(LOOPS, len(LOOPS))),
        tuple(draws.random() < 0.5 for _ in space),
        multiplier,
        128 if multiplier == "nvfp4" else draws.choice((64, 128)),
    )
    most = {"k": (4, 10, 24), "c": (1, 3, 8), "p": (1, 4, 8), "q": (2, 8), "r": (1, 5), "s": (1, 3)}
    largest = FrozenMap({loop: draws.choice(most[loop]) for loop in LOOPS})
    return kernel, largest, FrozenMap({loop: draws.randint(1, n) for loop, n in largest.items()})


def laid_out(kernel: Kernel, largest: Bounds, bounds: Bounds) -> tuple[Fabric, Fabric]:
    """At both bounds."""

    def elements(words: Bounds) -> dict[str, int]:
        return {**words, "c": words["c"] * kernel.lanes}

    described = summed_in_32_bits(describe(kernel, elements(largest)))
    (flow,) = make_flows([described], kernel.bus_bits)
    return flow.fabric, retarget(flow, elements(bounds))


@pytest.mark.parametrize("seed", range(6))
def test_sketches_are_what_is_laid_out(seed: int) -> None:
    draws = random.Random(seed)
    compared = chained = waited = turned = 0
    while compared < 15:
        kernel, largest, bounds = drawn(draws)
        try:
            whole, fabric = laid_out(kernel, largest, bounds)
        except InputError:
            continue  # a chain that loads its first tile backwards, or too narrow a bus
        compared += 1
        sketch = sketch_of(kernel, largest)
        tensors = *sketch.inputs, sketch.output
        for tensor, large, plan in zip(tensors, whole.plans, fabric.plans, strict=True):
            found = traffic_of(plan.banked)
            found = replace(found, layout=replace(found.layout, words=None))
            assert tensor.traffic(sketch.order, sketch.extents, bounds) == found, kernel
            assert tensor.words(largest) == large.banked.layout.words
            assert (tensor.chain.length > 1) == (plan.chain is not None)
            if plan.chain is not None:
                assert tensor.chain.cycles == plan.chain.cycles
                assert tensor.chain.registers == plan.chain.registers
                chained += 1
            turned += tensor.turns
        assert sketch.accumulates == fabric.output.accumulate
        schedule = sketch.schedule(bounds)
        assert schedule.steps == prod(tiles_of(bounds, sketch.extents).values())
        assert schedule.issue == fabric.schedule.last + 1
        assert schedule.prologue == fabric.prologue
        assert schedule.drain == fabric.output.pattern.last - fabric.schedule.last
        waited += schedule.issue > schedule.steps
    assert chained
    assert waited
    assert turned


def test_a_bus_narrower_than_a_sum_is_refused() -> None:
    kernel = Kernel((("k", 4),), LOOPS, (False,), bus_bits=16)
    with pytest.raises(InputError, match="the bus 16"):
        sketch_of(kernel, FrozenMap(dict.fromkeys(LOOPS, 2)))
