"""The table of digits.md: ``python docs/digits_table.py`` prints it."""

from __future__ import annotations

from accelgen.accuracy.measured import right_answers
from accelgen.accuracy.source import LayerBits
from accelgen.digits.data import Part, digits
from accelgen.digits.supernet import load_supernet

__all__ = ["BITS", "NETWORKS", "WEIGHTS", "block_lines", "lines", "right", "right_with"]

NETWORKS = ("smallest", "middle", "largest")
BITS = (8, 6, 4, 3, 2)
WEIGHTS = ("int8", "int4", "nvint4", "nvfp4", "nvfp4_4over6", "if4", "mxfp4")


def right(network: str, bits: int, part: Part) -> int:
    """Right answers of a sub-network with the same bits everywhere."""
    supernet = load_supernet()
    architecture = getattr(supernet.space, network)
    chosen = supernet.space.uniform(architecture, bits)
    return right_answers(supernet.quantised(architecture, chosen), digits(part))


def lines() -> list[str]:
    """A row per sub-network and bits: multiply-accumulates, right answers, shares."""
    space = load_supernet().space
    found = [
        "| sub-network | MACs | bits | right of 300 (validation) | | right of 360 (test) | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for network in NETWORKS:
        macs = space.network(getattr(space, network)).macs
        for bits in BITS:
            row = f"| {network} | {macs} | {bits} |"
            for part in ("validation", "test"):
                count = right(network, bits, part)
                row += f" {count} | {100 * count / len(digits(part)):.1f} % |"
            found.append(row)
    return found


def right_with(network: str, weights: str, part: Part) -> int:
    """Right answers of a sub-network with weights in a format, and activations of 8 bits."""
    supernet = load_supernet()
    architecture = getattr(supernet.space, network)
    both = LayerBits(weights, "uint8")
    bits = {layer.name: both for layer in supernet.space.layers(architecture)}
    return right_answers(supernet.quantised(architecture, bits), digits(part))


def block_lines() -> list[str]:
    """A row per format: right answers of every sub-network, in validation and in test."""
    found = ["| weights | smallest | middle | largest |", "| --- | ---: | ---: | ---: |"]
    for weights in WEIGHTS:
        counts = [
            ", ".join(str(right_with(x, weights, part)) for part in ("validation", "test"))
            for x in NETWORKS
        ]
        found.append(f"| {weights} | {' | '.join(counts)} |")
    return found


if __name__ == "__main__":
    print("\n".join([*lines(), "", *block_lines()]))
