"""The netlist of primitives, and how a fabric becomes one."""
