"""What the outputs of a module drive outside of it, averaged over its instances."""

from __future__ import annotations

from collections.abc import Mapping

from accelgen.silicon.gates import Netlist

__all__ = ["outside_loads"]

Load = tuple[float, int]
"""Capacitance of the pins, in the library's unit, and their number."""


def outside_loads(
    netlists: Mapping[str, Netlist], counts: Mapping[str, int], top: str, macro_pin: float
) -> dict[str, dict[int, Load]]:
    """By module and net; ``macro_pin`` is the capacitance of a pin of a macro."""
    inner: dict[str, dict[int, Load]] = {}

    def inside(name: str) -> dict[int, Load]:
        if name not in inner:
            netlist = netlists[name]
            found = {net: (c, netlist.fanout.get(net, 0)) for net, c in netlist.load.items()}
            for kind, pins in netlist.others.values():
                below = inside(kind) if kind in netlists else {}
                for pin, nets in pins.items():
                    for k, net in enumerate(nets):
                        if kind not in netlists:
                            more: Load = (macro_pin, 1) if pin != "A_DOUT" else (0.0, 0)
                        elif netlists[kind].ports[pin][0] == "input":
                            more = below.get(netlists[kind].ports[pin][1][k], (0.0, 0))
                        else:
                            continue
                        old = found.get(net, (0.0, 0))
                        found[net] = old[0] + more[0], old[1] + more[1]
            inner[name] = found
        return inner[name]

    sums: dict[str, dict[int, tuple[float, float]]] = {name: {} for name in netlists}
    result: dict[str, dict[int, Load]] = {}

    def order(name: str, done: list[str]) -> list[str]:
        if name not in done:
            for kind, _ in netlists[name].others.values():
                if kind in netlists:
                    order(kind, done)
            done.append(name)
        return done

    for name in reversed(order(top, [])):
        result[name] = {
            net: (c / counts[name], round(n / counts[name])) for net, (c, n) in sums[name].items()
        }
        inside_here = inside(name)
        for kind, pins in netlists[name].others.values():
            if kind not in netlists:
                continue
            for pin, nets in pins.items():
                direction, own = netlists[kind].ports[pin]
                if direction != "output":
                    continue
                for net, below in zip(nets, own, strict=True):
                    c, n = inside_here.get(net, (0.0, 0))
                    outer = result[name].get(net, (0.0, 0))
                    old = sums[kind].get(below, (0.0, 0.0))
                    times = counts[name]
                    sums[kind][below] = (
                        old[0] + times * (c + outer[0]), old[1] + times * (n + outer[1])
                    )  # fmt: skip
    return result
