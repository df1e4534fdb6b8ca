"""What attention layers of networks cost on attention arrays, dense and under a pattern."""
