"""What the top levels of kernels have in common: ports, the start of loop nests, busy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring

from accelgen.cycles import START_CYCLES

__all__ = ["Stopwatch", "connect_input", "connect_output", "sequence", "start_at", "stopwatch"]

Stopwatch = tuple[Signal, Signal]
"""Cycles since a problem began, and whether they are counted."""


def connect_input(
    m: Module, top: wiring.Component, stream: wiring.PureInterface, name: str
) -> None:
    """Connect the stream ports of an input to what takes it."""
    m.d.comb += [
        stream.tdata.eq(getattr(top, f"s_axis_{name}_tdata")),
        stream.tvalid.eq(getattr(top, f"s_axis_{name}_tvalid")),
        stream.tlast.eq(getattr(top, f"s_axis_{name}_tlast")),
        getattr(top, f"s_axis_{name}_tready").eq(stream.tready),
    ]


def connect_output(
    m: Module, top: wiring.Component, stream: wiring.PureInterface, name: str
) -> None:
    """Connect the stream ports of the output to what leaves there."""
    m.d.comb += [
        getattr(top, f"m_axis_{name}_tdata").eq(stream.tdata),
        getattr(top, f"m_axis_{name}_tvalid").eq(stream.tvalid),
        getattr(top, f"m_axis_{name}_tlast").eq(stream.tlast),
        stream.tready.eq(getattr(top, f"m_axis_{name}_tready")),
    ]


def stopwatch(m: Module, go: Value, last: int) -> Stopwatch:
    """Counts the cycles since ``go`` up to ``last``, the last start of a loop nest."""
    elapsed = Signal(range(last + 1))
    counting = Signal()
    with m.If(go):
        m.d.sync += [counting.eq(1), elapsed.eq(0)]
    with m.Elif(elapsed == last):
        m.d.sync += counting.eq(0)
    with m.Elif(counting):
        m.d.sync += elapsed.eq(elapsed + 1)
    return elapsed, counting


def start_at(m: Module, watch: Stopwatch, now: Value, nest: wiring.Component) -> None:
    """Start a nest when ``now`` is high while the stopwatch counts (START_CYCLES after go)."""
    assert START_CYCLES == 2  # one in which the stopwatch starts, one in which the nest does
    _, counting = watch
    m.d.comb += nest.start.eq(counting & now)


def sequence(
    m: Module,
    top: wiring.Component,
    go: Signal,
    done: Value,
    ready: Value,
    issue: Value,
    takers: Sequence[wiring.Component],
) -> Signal:
    """Run problems one by one: from ``go``, when the next is ``ready`` and none runs, to ``done``.

    Drives ``busy`` and ``error`` of the top level (high when that of one of ``takers``, which take
    streams, is), and returns whether a problem runs.
    """
    running = Signal()
    m.d.comb += go.eq(ready & ~running)
    with m.If(go):
        m.d.sync += running.eq(1)
    with m.Elif(done):
        m.d.sync += running.eq(0)
    # ``issue`` is high with the first iteration; ``computing`` carries on to the last write.
    computing = Signal()
    with m.If(done):
        m.d.sync += computing.eq(0)
    with m.Elif(issue):
        m.d.sync += computing.eq(1)
    m.d.comb += [
        top.busy.eq(issue | computing),
        top.error.eq(reduce(or_, (taker.error for taker in takers))),
    ]
    return running
