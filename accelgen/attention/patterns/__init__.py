"""The sparsity patterns, one module each."""
