"""Buffer trees on nets between modules: what mapping module by module leaves to one driver.

ABC buffers the nets inside of a module.  A net from one module to many, as a broadcast operand or a
condition of all units, has one driver for all of them; it gets a tree of buffers, neighbours in the
order of their names on one branch, as placement would give it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from accelgen.silicon.liberty import Cells

__all__ = ["MOST_READERS", "buffer_fanout"]

MOST_READERS = 8
"""Pins that a buffer, or the driver of a net, drives.  A module's port counts as one, however many
are behind it: it has a tree of its own where these are many.
"""

Pin = tuple[str, str, int]
"""A cell, its port, and the bit of it."""


@dataclass
class _Net:
    """The ports of cells and modules that read a net, and whether any of them is for a clock.

    An output of the module the net is in stays at its driver, in front of the tree.
    """

    readers: list[Pin] = field(default_factory=list)
    fixed: bool = False


def buffer_fanout(netlist: dict[str, Any], cells: Cells, buffer: str) -> int:
    """Put buffers into the modules of a mapped netlist, as Yosys writes it, in place; returns their
    number.

    ``buffer`` names the cell and its pins: ``sg13g2_buf_4 A X``.
    """
    kind, into, out = buffer.split()
    modules = netlist["modules"]
    clocks = _clock_ports(modules, cells)
    made = 0
    for module in modules.values():
        used = (bit for item in module["netnames"].values() for bit in item["bits"])
        free = count(1 + max((bit for bit in used if isinstance(bit, int)), default=1))
        for bit, net in _nets(module, modules, cells, clocks).items():
            if net.fixed or len(net.readers) <= MOST_READERS:
                continue
            readers = sorted(net.readers, key=_natural)
            while len(readers) > MOST_READERS:
                groups = -(-len(readers) // MOST_READERS)
                above: list[Pin] = []
                for k in range(groups):
                    own = readers[k * len(readers) // groups : (k + 1) * len(readers) // groups]
                    name, new = f"fanout_buffer{made}", next(free)
                    made += 1
                    for cell, port, position in own:
                        module["cells"][cell]["connections"][port][position] = new
                    module["cells"][name] = _cell(kind, {into: bit, out: new}, out)
                    module["netnames"][f"{name}_net"] = {
                        "hide_name": 0, "bits": [new], "attributes": {},
                    }  # fmt: skip
                    above.append((name, into, 0))
                readers = above
    return made


def _nets(
    module: Mapping[str, Any],
    modules: Mapping[str, Any],
    cells: Cells,
    clocks: Mapping[str, frozenset[str]],
) -> dict[int, _Net]:
    """The nets of a module by their bit, with what reads them."""
    nets: dict[int, _Net] = {}
    for name, item in module["cells"].items():
        kind = item["type"]
        for port, bits in item["connections"].items():
            if not _reads(kind, port, modules, cells):
                continue
            for position, bit in enumerate(bits):
                if isinstance(bit, int):
                    net = nets.setdefault(bit, _Net())
                    net.readers.append((name, port, position))
                    net.fixed |= port in clocks.get(kind, ()) or _is_clock(kind, port, cells)
    return nets


def _reads(kind: str, port: str, modules: Mapping[str, Any], cells: Cells) -> bool:
    if kind in modules:
        direction: str = modules[kind]["ports"][port]["direction"]
        return direction == "input"
    try:
        return "function" not in cells[kind].pins[port].attributes and (
            cells[kind].pins[port].attributes.get("direction", "input").strip('"') == "input"
        )
    except KeyError:
        return False


def _is_clock(kind: str, port: str, cells: Cells) -> bool:
    try:
        cell = cells[kind]
    except KeyError:
        return False
    marked = cell.pins[port].attributes.get("clock", "false").strip('"') == "true"
    return port == cell.clock or marked


def _clock_ports(modules: Mapping[str, Any], cells: Cells) -> dict[str, frozenset[str]]:
    """The input ports of every module that lead to a clock pin, in it or below."""
    known: dict[str, frozenset[str]] = {}

    def ports(name: str) -> frozenset[str]:
        if name not in known:
            known[name] = frozenset()  # modules are no loops
            module = modules[name]
            clocked = {
                bit
                for item in module["cells"].values()
                for port, bits in item["connections"].items()
                for bit in bits
                if (item["type"] in modules and port in ports(item["type"]))
                or (item["type"] not in modules and _is_clock(item["type"], port, cells))
            }
            known[name] = frozenset(
                port for port, item in module["ports"].items() if clocked & set(item["bits"])
            )
        return known[name]

    return {name: ports(name) for name in modules}


def _cell(kind: str, pins: Mapping[str, int], out: str) -> dict[str, Any]:
    return {
        "hide_name": 0,
        "type": kind,
        "parameters": {},
        "attributes": {},
        "port_directions": {pin: "output" if pin == out else "input" for pin in pins},
        "connections": {pin: [bit] for pin, bit in pins.items()},
    }


def _natural(pin: Pin) -> list[tuple[int, str]]:
    """``pe_2_10`` after ``pe_2_9``."""
    cell, port, position = pin
    return [(int(x), "") if x.isdigit() else (-1, x) for x in re.split(r"(\d+)", cell)] + [
        (position, port)
    ]
