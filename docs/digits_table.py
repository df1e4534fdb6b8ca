"""The table of digits.md: ``python docs/digits_table.py`` prints it."""

from __future__ import annotations

from accelgen.accuracy.measured import right_answers
from accelgen.digits.data import Part, digits
from accelgen.digits.supernet import load_supernet

__all__ = ["BITS", "NETWORKS", "lines", "right"]

NETWORKS = ("smallest", "middle", "largest")
BITS = (8, 6, 4, 3, 2)


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


if __name__ == "__main__":
    print("\n".join(lines()))
