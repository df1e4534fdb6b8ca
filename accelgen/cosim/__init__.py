"""Simulation and checking of generated Verilog: tool chain, builds, bench, lint, synthesis."""

from __future__ import annotations

__all__: list[str] = []
