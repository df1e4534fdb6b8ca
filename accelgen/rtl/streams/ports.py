"""Signatures between the stream units and the memories, and of the streams themselves."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.layout import Layout
from accelgen.rtl.streams.geometry import StreamGeometry, address_bits

__all__ = ["axi_stream", "bank_read", "bank_write", "stream_ports"]


def axi_stream(bus_bits: int) -> wiring.Signature:
    """An AXI4-Stream seen from its master: ``tdata``, ``tvalid``, ``tlast`` out, ``tready`` in."""
    return wiring.Signature(
        {"tdata": Out(bus_bits), "tvalid": Out(1), "tlast": Out(1), "tready": In(1)}
    )


def stream_ports(
    name: str, bus_bits: int, forth: type[In] | type[Out], back: type[In] | type[Out]
) -> dict[str, In | Out]:
    """The ports of a stream: ``name_tdata`` goes ``forth``, ``name_tready`` comes ``back``."""
    return {
        f"{name}_tdata": forth(bus_bits),
        f"{name}_tvalid": forth(1),
        f"{name}_tready": back(1),
        f"{name}_tlast": forth(1),
    }


def bank_write(layout: Layout) -> wiring.Signature:
    """From a Loader to the memories: one segment per cycle.

    ``enable`` has a bit per live memory.  The memory with last coordinate ``b`` takes
    ``data[b % len(data)]`` at ``address[b]`` (``address[0]`` when there is only one) of ``page``.
    """
    geometry = StreamGeometry(layout)
    return wiring.Signature(
        {
            "data": Out(layout.element_bits).array(geometry.data_lanes),
            "address": Out(address_bits(layout)).array(geometry.addresses),
            "enable": Out(geometry.memories),
            "page": Out(1),
        }
    )


def bank_read(layout: Layout, *, clear: bool) -> wiring.Signature:
    """From a Collector to the memories: one segment per cycle.

    While ``enable`` is high the live memory with last coordinate ``b`` reads ``address[b]`` (or
    ``address[0]``) of ``page``; its ``data`` follows in the next cycle and stays until the next
    ``enable``.  ``take`` (only with ``clear``) has a bit per live memory whose word is part of
    the segment and becomes zero.  ``full`` says which pages wait to be read, ``done`` frees
    the one that was committed first.
    """
    geometry = StreamGeometry(layout)
    members = {
        "address": Out(address_bits(layout)).array(geometry.addresses),
        "enable": Out(1),
        "page": Out(1),
        "data": In(layout.element_bits).array(geometry.memories),
        "full": In(2),
        "done": Out(1),
    }
    if clear:
        members["take"] = Out(geometry.memories)
    return wiring.Signature(members)
