"""Strategies side by side at equal evaluations."""
