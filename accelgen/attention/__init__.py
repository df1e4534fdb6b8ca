"""Sparse attention: which pairs of tokens are computed, and the accelerator that follows them."""
