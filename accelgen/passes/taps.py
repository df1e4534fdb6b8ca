"""Shallow FIFOs as taps: a delay of a few cycles, set at run time, chosen from a delay line.

The FIFO of a link through time holds what its giver had, up to some cycles ago.  Up to
``MOST_DEPTH`` cycles a multiplexer over the giver's delay line does the same, and that line serves
links of other dataflows as well; a deeper one stays a ring of words.
"""

from __future__ import annotations

from dataclasses import replace

from accelgen.netlist.graph import Edge, Netlist, Node
from accelgen.netlist.ring import Ring
from accelgen.passes.base import NetlistPass
from accelgen.passes.taps_check import verify

__all__ = ["TAPS"]

MOST_DEPTH = 4
"""Cycles, beyond the first, up to which a FIFO becomes taps."""


def run(netlist: Netlist) -> Netlist:
    """Replace the shallow FIFOs, whose register becomes the first cycle of the delay line."""
    shallow = [node.kind == "fifo" and Ring.of(node).most <= MOST_DEPTH for node in netlist.nodes]
    if not any(shallow):
        return netlist
    return replace(
        netlist,
        nodes=tuple(
            _tapped(node) if found else node
            for node, found in zip(netlist.nodes, shallow, strict=True)
        ),
    )


def _tapped(fifo: Node) -> Node:
    data, depth = fifo.inputs
    most = Ring.of(fifo).most
    taps = (Edge(data.source, data.delay + k, f"{data.port}{k}") for k in range(most + 1))
    return replace(
        fifo,
        kind="choose",
        latency=0,
        inputs=(*taps, depth),
        parameters=tuple(range(most + 1)),
    )


TAPS = NetlistPass(
    "taps", "shallow FIFOs become taps of delay lines that others share", run, verify
)
