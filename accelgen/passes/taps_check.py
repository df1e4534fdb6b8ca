"""Is every FIFO that became a choice of taps that choice at every depth?"""

from __future__ import annotations

from accelgen.netlist.graph import Netlist

__all__ = ["verify"]


def verify(before: Netlist, after: Netlist) -> None:
    """Raise :class:`AssertionError` unless nodes differ in FIFOs alone, and each of these gives at
    every depth what was that many cycles ago.
    """
    for was, now in zip(before.nodes, after.nodes, strict=True):
        if was == now:
            continue
        assert (was.kind, now.kind) == ("fifo", "choose"), f"{was.name} is no FIFO"
        same = (was.home, was.name, was.group, was.format) == (
            now.home, now.name, now.group, now.format
        )  # fmt: skip
        assert same, f"{was.name} is another"
        *taps, switch = now.inputs
        data, depth = was.inputs
        # It stays for a whole problem: a cycle earlier or later is all the same to it.
        assert switch == depth, f"{was.name} has another depth"
        parameter = was.parameters[0]
        assert isinstance(parameter, int)
        assert len(now.parameters) == 1 + parameter, f"{was.name} is not as deep"
        for cycles, taken in enumerate(now.parameters):
            assert isinstance(taken, int)
            # A FIFO takes a cycle itself, which the delay of its input counts.
            late = (taps[taken].source, taps[taken].delay - now.latency)
            assert late == (data.source, data.delay + cycles), f"{was.name} at depth {cycles}"
