"""Spaces: genes, and the legal values that vectors of them stand for."""
