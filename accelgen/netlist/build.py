"""From the fabric to the netlist of primitives."""

from __future__ import annotations

from accelgen.fabric.fabric import Fabric
from accelgen.netlist.controls import Flags
from accelgen.netlist.drain import drain
from accelgen.netlist.graph import Builder, Frame, Netlist
from accelgen.netlist.operands import add_operands
from accelgen.netlist.sums import add_products, sum_in_space, sum_in_time

__all__ = ["build_netlist"]


def build_netlist(fabric: Fabric, *, passed: bool = False) -> Netlist:
    """Operands, products, sums in space, sums in time, drain, memory: in the order of the data.

    Straightforward throughout: values as wide as the output, sums one term after the other, every
    condition there could be.  The passes make it good.  ``passed``: sums that units pass on are
    added up in accumulators (see :func:`sum_in_space`).
    """
    frame = Frame(
        fabric.domain,
        fabric.output.pattern,
        fabric.kernel.space_extents,
        settled=not fabric.programmable,
    )
    builder = Builder(frame)
    flags = Flags(builder, fabric)
    operands = [add_operands(builder, flags, fabric, plan) for plan in fabric.inputs]
    products = add_products(builder, flags, fabric, operands)
    totals = sum_in_space(builder, flags, fabric, products, passed=passed)
    sums = sum_in_time(builder, flags, fabric, totals)
    drain(builder, flags, fabric, sums)
    return builder.netlist()
