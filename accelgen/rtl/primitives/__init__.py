"""Combinational hardware of the primitives of a netlist, shared with the arithmetic units."""
