"""What a design becomes in silicon: area, timing and power of cell libraries, and of an FPGA."""
