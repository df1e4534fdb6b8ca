"""Broadcast rewiring: forwarding chains from unit to unit in place of a star from outside.

A condition, or a word of a memory, that many units read with different delays comes from one
delay line at the corner of the array, tap by tap.  The same registers serve as well where the
readers are: the line is laid through the array, from a unit of each delay to the nearest unit of
the next, and the units of a delay read from there.  As many registers, shorter wires.

Links between units stay as they are: which of them there are was decided when the array was laid
out.  Units that read a value with the same delay do so at once; to make a chain of those is to
choose another skew, which is the dataflow's to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from accelgen.netlist.graph import Edge, Home, Netlist, Node, port_of
from accelgen.passes.base import PipelinePass, numbering, renumbered, with_inputs
from accelgen.passes.broadcast_check import verify
from accelgen.passes.delay_matching import Enable, Pipeline
from accelgen.passes.metrics import RELAY, location, wire_length

__all__ = ["BROADCAST"]

Reader = tuple[int, int]
"""A node and the number of its input."""


def run(pipeline: Pipeline) -> Pipeline:
    """Rewire every value from outside whose delay line reaches units with several delays."""
    frame = pipeline.netlist.frame
    if frame is None or not pipeline.shared:
        return pipeline
    rewiring = _Rewiring(pipeline, frame.space)
    for number, node in enumerate(pipeline.netlist.nodes):
        if node.home[0] != "pe":
            rewiring.rewire(number)
    found = rewiring.finish()
    # Units far apart with delays close to each other are served better by the star.
    longer = wire_length(found.netlist, found.registers) > wire_length(
        pipeline.netlist, pipeline.registers
    )
    return pipeline if longer else found


class _Rewiring:
    def __init__(self, pipeline: Pipeline, space: Sequence[int]) -> None:
        self._pipeline, self._space = pipeline, space
        self._nodes = list(pipeline.netlist.nodes)
        self._registers = [list(counts) for counts in pipeline.registers]
        self._positions = dict(pipeline.positions)
        self._readers = pipeline.netlist.fanout()
        self._named: Counter[tuple[Home, str]] = Counter()
        self._place: list[tuple[int, int]] = [(n, 0) for n in range(len(self._nodes))]
        """By node where it goes in the order: a relay after the source of its value."""

    def rewire(self, source: int) -> None:
        """Lay the delay line of ``source`` through its readers."""
        levels: dict[int, list[Reader]] = {}
        outside = 0
        for number, edge in self._readers[source]:
            position = self._nodes[number].inputs.index(edge)
            count = self._registers[number][position]
            if self._nodes[number].home[0] == "pe":
                levels.setdefault(count, []).append((number, position))
            else:
                outside = max(outside, count)
        # Up to the last tap for others the registers stay where they are.
        steps = sorted(count for count in levels if count >= outside)
        late = {c: [self._nodes[n].inputs[k].delay for n, k in levels[c]] for c in steps}
        passed = 0
        for step, (before, count) in enumerate(pairwise(steps), 1):
            # How late the relay is in the dataflow: no later than any that its value goes to.
            delay = min(min(late[c]) for c in steps[step:])
            relay = self._relay(source, levels[before], levels[count], before, delay, passed)
            for number, position in levels[count]:
                node = self._nodes[number]
                inputs = list(node.inputs)
                old = inputs[position]
                inputs[position] = Edge(relay, old.delay - delay, old.port)
                self._nodes[number] = with_inputs(node, inputs)
                self._registers[number][position] = count - before
            passed = delay

    def _relay(
        self,
        source: int,
        givers: list[Reader],
        takers: list[Reader],
        count: int,
        delay: int,
        passed: int,
    ) -> int:
        """A node that forwards what the giver reads that is nearest to the takers, ``count``
        registers and ``delay`` cycles behind ``source``; what it reads is ``passed`` cycles late.
        """
        number, position = self._nearest(givers, takers)
        giver, origin = self._nodes[number], self._nodes[source]
        here = giver.inputs[position]
        port = port_of(giver, position)
        name = f"{port}_relay"
        self._named[giver.home, name] += 1
        if (twins := self._named[giver.home, name]) > 1:
            name += str(twins)
        group = f"{RELAY}{len(self._nodes)}"
        self._positions[group] = count - delay + self._positions[origin.group] + origin.latency
        self._nodes.append(
            Node(
                "wire",
                name,
                giver.home,
                group,
                origin.format,
                0,
                (Edge(here.source, delay - passed, port),),
            )
        )
        self._registers.append([self._registers[number][position]])
        self._place.append((source, len(self._nodes)))
        return len(self._nodes) - 1

    def _nearest(self, givers: list[Reader], takers: list[Reader]) -> Reader:
        """The first of the givers that are nearest to any of the takers."""
        givers = sorted(givers)
        here, there = (
            np.array([location(self._nodes[n].home, self._space) for n, _ in readers])
            for readers in (givers, takers)
        )
        apart = np.abs(here[:, None, :] - there[None, :, :]).sum(axis=2)
        return givers[int(apart.min(axis=1).argmin())]

    def finish(self) -> Pipeline:
        """The pipeline with its relays."""
        if len(self._nodes) == len(self._readers):
            return self._pipeline
        nearby = sorted(range(len(self._nodes)), key=self._place.__getitem__)
        number = numbering(dict(enumerate(self._nodes)), nearby)
        order = list(number)
        nodes = tuple(renumbered(self._nodes[old], number) for old in order)
        netlist = Netlist(nodes, self._pipeline.netlist.frame)
        netlist.check()
        return replace(
            self._pipeline,
            netlist=netlist,
            positions=tuple(sorted(self._positions.items())),
            registers=tuple(tuple(self._registers[old]) for old in order),
            enables=tuple(
                Enable(number[e.node], e.stage, tuple((number[w], v) for w, v in e.terms))
                for e in self._pipeline.enables
            ),
        )


BROADCAST = PipelinePass(
    "broadcast",
    "broadcast rewiring: delay lines from unit to unit, not as a star from outside",
    run,
    verify,
)
