"""Draws ``resnet18_latency.svg`` of the page on simulation.

Run ``python docs/pictures/make_results.py`` from the checkout.
"""

from __future__ import annotations

from pathlib import Path

from accelgen.hardware import load_hardware
from accelgen.networks import load_network
from accelgen.results import draw_latency
from accelgen.simulation import simulate

NETWORK, HARDWARE = "resnet18", "gemmini"
PICTURE = Path(__file__).parent / "resnet18_latency.svg"


def main() -> None:
    """Simulate and draw."""
    draw_latency(simulate(load_network(NETWORK), load_hardware(HARDWARE)), PICTURE)


if __name__ == "__main__":
    main()
