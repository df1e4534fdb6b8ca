"""The rounding of exact sums on their way out, as a netlist of its own."""

from __future__ import annotations

from accelgen.affine.blocks import BlockProduct
from accelgen.affine.multi import MultiProduct
from accelgen.fabric.fabric import Fabric
from accelgen.formats import IntFormat
from accelgen.netlist.controls import MODE
from accelgen.netlist.floats import FixedToFloatPlan, add_fixed_to_float
from accelgen.netlist.graph import Builder, Edge, Home, Netlist
from accelgen.netlist.multi_format import add_placed, plan_of

__all__ = ["ROUND", "rounding_netlists", "rounding_of"]

ROUND: Home = ("round", 0)
"""Where its parts are; what it reads and what reads it is elsewhere."""
_PORTS: Home = ("port", 0)


def rounding_netlists(fabric: Fabric) -> list[Netlist]:
    """The netlist of the rounding of a fabric's results, if they are rounded."""
    product = fabric.kernel.blocks
    return [rounding_of(product, fabric.output.tensor.format)] if product else []


def rounding_of(product: BlockProduct, sums: IntFormat) -> Netlist:
    """From ``exact``, a sum in ``sums``, to the write ``code`` in the product's result format; of
    an integer its low bits.

    Where problems choose formats, ``format`` is that of the sum.
    """
    builder = Builder()
    source = Edge(builder.add("wire", "exact", _PORTS, sums, group="control"), 0, "exact_in")
    if isinstance(product, MultiProduct):
        widths = plan_of(product)
        given = builder.add("wire", "format", _PORTS, MODE, group="control")
        code = add_fixed_to_float(builder, ROUND, source, widths.rounding_of(sums))
        here = builder.add("wire", "format_here", ROUND, MODE, [Edge(given, 0, "format_in")])
        code = add_placed(builder, ROUND, widths, code, here)
    elif isinstance(product.result, IntFormat):
        code = builder.add("wire", "low_bits", ROUND, product.result, [source])
    else:
        plan = FixedToFloatPlan(sums.bits, product.pair.fraction, product.result)
        code = add_fixed_to_float(builder, ROUND, source, plan)
    form = IntFormat(product.result.width, signed=False)
    builder.add(
        "write", "code", _PORTS, form, [Edge(code, 0, "code")], group="write", parameters=(0, 0)
    )
    return builder.netlist()
