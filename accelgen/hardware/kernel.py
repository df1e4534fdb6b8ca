"""A generated kernel as hardware: what its manifest says, and what its technology costs.

The kernel runs one iteration per unit and cycle.  What it needs beyond the steps of its schedule
(skew of the whole array, pipeline, draining, waiting for shift chains) is its ``fill``, so that
for the kernel's own workload the compute cycles are those of the manifest, and of the RTL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import prod

from accelgen.affine.description import Description, parse_description
from accelgen.affine.roles import ROLES, Role, tensor_roles
from accelgen.affine.yaml_text import Plain
from accelgen.energy import Energies, load_energies, mac_name
from accelgen.errors import InputError
from accelgen.hardware.dataflows import described_dataflow
from accelgen.manifest import Manifest
from accelgen.names import shorten

__all__ = ["kernel_values"]

_BANK = ("banks", "words", "bits", "pages")

Bank = Mapping[str, int]
"""As in a manifest: so many ``banks``, each with ``pages`` of ``words`` of ``bits``."""


def kernel_values(manifest: Manifest, technology: str | None = None) -> dict[str, Plain]:
    """A kernel as the plain values of a hardware file.

    Energy, leakage and area are those of ``technology`` (:func:`accelgen.energy.load_energies`),
    without one of the kernel's own; what is beyond its streams takes no energy.

    Raises :class:`InputError` when the manifest lacks what :mod:`accelgen.emit` writes, or the
    technology has no such arithmetic.
    """
    description = _described(manifest)
    name = technology or str(manifest.extra.get("technology"))
    energies = load_energies(name)
    roles = _roles(manifest, description)
    dataflow = described_dataflow(description)
    period = _positive(manifest.extra.get("period_ns"), "period_ns")
    steps = prod(description.lower().time_extents)
    unit = _unit(manifest, energies)
    axes: dict[str, Plain] = {axis: list(loops) for axis, loops in dataflow.unrolls.items()}
    space: dict[str, Plain] = {axis: int(n) for axis, n in description.dataflow.space.items()}
    return {
        "name": manifest.name,
        "array": space,
        "clock_mhz": repr(1000.0 / period),
        "dataflows": [
            {
                "name": dataflow.name,
                "unrolls": axes,
                "several": "true" if dataflow.several else "false",
                "stationary": dataflow.stationary,
            }
        ],
        **unit,
        "fill": manifest.predicted.compute_cycles - steps,
        "levels": [
            {"name": "memories", "memories": _memories(manifest, roles, energies)},
            _streams(manifest),
        ],
        "sources": f"{manifest.name}: sizes and cycles of its manifest; {energies.source}; "
        "nothing is counted beyond its streams",
    }


def _described(manifest: Manifest) -> Description:
    text = manifest.extra.get("description")
    if not isinstance(text, str):
        raise InputError("no description", where=manifest.name, hint="generate the design again")
    return parse_description(text, where=f"{manifest.name}: description")


def _roles(manifest: Manifest, description: Description) -> dict[str, Role]:
    """The role of every tensor and of its scales."""
    roles = tensor_roles(description.workload)
    for stream in manifest.streams:
        if stream.tensor not in roles:
            raise InputError(
                f"stream of {stream.tensor}, which the description does not have",
                where=manifest.name,
                hint="generate the design again",
            )
        roles[stream.operand] = roles[stream.tensor]
    return roles


def _unit(manifest: Manifest, energies: Energies) -> dict[str, Plain]:
    """Energy, leakage and area of a unit for what the kernel multiplies.

    A product of three factors counts as two multiply-accumulates.
    """
    formats = [stream.format for stream in manifest.inputs if stream.kind == "elements"]
    pairs = list(pairwise(formats)) or [(formats[0], formats[0])]
    costs = []
    for pair in pairs:
        name = mac_name("*".join(pair))
        if name not in energies.macs:
            raise InputError(
                f"{energies.name} has no energy of {name}",
                where=manifest.name,
                hint=f"use a technology with it; known: {', '.join(energies.macs) or 'none'}",
            )
        costs.append(energies.macs[name])
    areas = [cost.area_mm2 for cost in costs if cost.area_mm2 is not None]
    return {
        "mac_pj": {"*".join(formats): repr(sum(cost.pj for cost in costs))},
        "unit_leakage_mw": repr(sum(cost.leakage_mw for cost in costs)),
        "link_pj": repr(energies.link_pj),
        **({"unit_area_mm2": repr(sum(areas))} if len(areas) == len(costs) else {}),
    }


def _memories(manifest: Manifest, roles: Mapping[str, Role], energies: Energies) -> list[Plain]:
    """The banks of each role as one memory: every bank is accessed by itself."""
    banks = _banks(manifest, roles)
    found: list[Plain] = []
    for role, held in _held(banks).items():
        sizes = [bank["words"] * bank["bits"] * bank["pages"] for bank in banks[role]]
        costs = [
            energies.sram(-(-size // 8), bank["bits"])
            for size, bank in zip(sizes, banks[role], strict=True)
        ]
        count = [bank["banks"] for bank in banks[role]]
        bits = [n * size for n, size in zip(count, sizes, strict=True)]
        areas = [cost.area_mm2 for cost in costs]
        memory: dict[str, Plain] = {
            "name": role,
            "holds": list(held),
            "bytes": -(-sum(bits) // 8),
            "pj_per_bit": repr(_mean(bits, (cost.read_pj for cost in costs))),
            "write_pj_per_bit": repr(_mean(bits, (cost.write_pj for cost in costs))),
            "leakage_mw": repr(
                sum(n * cost.leakage_mw for n, cost in zip(count, costs, strict=True))
            ),
            "buffers": min(bank["pages"] for bank in banks[role]),
        }
        if None not in areas:
            memory["area_mm2"] = repr(
                sum(n * (area or 0.0) for n, area in zip(count, areas, strict=True))
            )
        found.append(memory)
    return found


def _banks(manifest: Manifest, roles: Mapping[str, Role]) -> dict[Role, list[Bank]]:
    banks: dict[Role, list[Bank]] = defaultdict(list)
    given = manifest.extra.get("memories")
    for tensor, kinds in (given if isinstance(given, dict) else {}).items():
        for bank in kinds if isinstance(kinds, list) else [kinds]:
            figures = [bank.get(key) for key in _BANK] if isinstance(bank, dict) else []
            if tensor not in roles or not figures or not all(_is_count(n) for n in figures):
                raise InputError(
                    f"{shorten(bank)} is no bank of a tensor",
                    where=f"memories: {shorten(tensor)}",
                    hint="generate the design again",
                )
            banks[roles[tensor]].append(bank)
    return banks


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value > 0


def _streams(manifest: Manifest) -> dict[str, Plain]:
    """All streams, which run at once, as one memory that holds everything.

    Elements never straddle beats, so that a beat may have bits that carry nothing.
    """
    rates = (s.elements * s.element_bits / 8 / s.beats for s in manifest.streams)
    return {"name": "streams", "bytes_per_cycle": repr(sum(rates)), "pj_per_bit": 0}


def _held(given: Iterable[Role]) -> dict[Role, list[Role]]:
    """What the memory of each role holds: its role, and the first also those without a memory."""
    present = [role for role in ROLES if role in given]
    if not present:
        raise InputError("no memories", hint="generate the design again")
    return {
        role: [role, *(x for x in ROLES if x not in present and role == present[0])]
        for role in present
    }


def _mean(weights: list[int], values: Iterable[float]) -> float:
    return sum(w * value for w, value in zip(weights, values, strict=True)) / sum(weights)


def _positive(value: object, where: str) -> float:
    if not isinstance(value, int | float) or not value > 0:
        raise InputError(f"{value} is no period", where=where, hint="generate the design again")
    return float(value)
