"""Tensors between AXI4-Streams and banked, double-buffered memories."""
