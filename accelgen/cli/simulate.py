"""``accelgen simulate``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from accelgen.cli.command import Command, add_json, print_json, stages, table
from accelgen.cli.values import pairs

if TYPE_CHECKING:
    from accelgen.simulation import LayerResult, NetworkResult

__all__ = ["SIMULATE"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network", metavar="NETWORK", help="a shipped network, a YAML or an ONNX file"
    )
    parser.add_argument(
        "--hardware", required=True, metavar="HARDWARE", help="shipped hardware, or a YAML file"
    )
    parser.add_argument(
        "--objective", choices=("latency", "energy", "edp"), default="edp",
        help="what every layer's mapping minimises (default edp)",
    )  # fmt: skip
    parser.add_argument(
        "--set", metavar="NAME=VALUE,...", help="parameters of the network's builder (batch=4)"
    )
    parser.add_argument("--mappings", action="store_true", help="print the loop nest of each layer")
    add_json(parser)


def _simulate(arguments: argparse.Namespace) -> int:
    from accelgen.hardware import load_hardware
    from accelgen.networks import load_network
    from accelgen.simulation import simulate

    given = pairs(arguments.set, "--set", "batch=4") if arguments.set is not None else {}
    network = load_network(
        arguments.network,
        {name: int(value) if value.isdecimal() else value for name, value in given.items()},
    )
    hardware = load_hardware(arguments.hardware)
    with stages(network.name) as say:
        found = simulate(
            network,
            hardware,
            arguments.objective,
            progress=lambda done, total: say(f"{done} of {total} distinct layers"),
        )
    if arguments.json:
        print_json(_figures(found))
    else:
        print(_shown(found, mappings=arguments.mappings))
    return 0


def _figures(found: NetworkResult) -> dict[str, object]:
    return {
        "network": found.network.name,
        "hardware": found.hardware.name,
        "objective": found.objective,
        "cycles": found.cycles,
        "energy_pj": found.energy_pj,
        "edp_pj_cycles": found.edp,
        "utilisation": found.utilisation,
        "vector_operations": found.network.vector_operations,
        "layers": [_layer(result, found) for result in found.layers],
    }


def _layer(result: LayerResult, found: NetworkResult) -> dict[str, object]:
    certificate = result.certificate
    levels = [level.name for level in found.hardware.levels]
    return {
        "name": result.layer.name,
        "repeats": result.layer.repeats,
        "macs": result.layer.macs,
        "cycles": result.cycles,
        "compute_cycles": result.layer.repeats * result.cost.compute_cycles,
        "limit": result.cost.limit,
        "energy_pj": {k: result.layer.repeats * v for k, v in result.cost.energy_pj.items()},
        "utilisation": result.cost.utilisation,
        "mapping": result.mapping.nest(result.problem, levels).splitlines(),
        "certificate": {
            "covered": certificate.covered,
            "too_large": certificate.too_large,
            "bounded": certificate.bounded,
            "evaluated": certificate.evaluated,
        },
    }


def _shown(found: NetworkResult, *, mappings: bool) -> str:
    levels = [level.name for level in found.hardware.levels]
    energies = ["mac", *levels]
    rows: list[tuple[object, ...]] = [
        ("layer", "x", "MMACs", "cycles", "use", "limit", *(f"{name} uJ" for name in energies))
    ]
    lines = []
    for result in found.layers:
        energy = [result.layer.repeats * result.cost.energy_pj[name] / 1e6 for name in energies]
        rows.append(
            (
                result.layer.name,
                result.layer.repeats,
                f"{result.layer.macs / 1e6:.1f}",
                f"{result.cycles:.0f}",
                f"{result.cost.utilisation:.1%}",
                result.cost.limit,
                *(f"{value:.2f}" for value in energy),
            )
        )
        if mappings:
            lines += [result.layer.name, *result.mapping.nest(result.problem, levels).splitlines()]
    total = found.energy_pj
    rows.append(
        (
            "all",
            "",
            f"{found.network.macs / 1e6:.1f}",
            f"{found.cycles:.0f}",
            f"{found.utilisation:.1%}",
            "",
            *(f"{total[name] / 1e6:.2f}" for name in energies),
        )
    )
    seconds = found.cycles / (found.hardware.clock_mhz * 1e6)
    joules = sum(total.values()) / 1e12
    summary = [
        f"{found.network.name} on {found.hardware.name}, least {found.objective} of every layer",
        table(rows),
        f"latency  {found.cycles:.0f} cycles, {seconds * 1e3:.3f} ms at "
        f"{found.hardware.clock_mhz:g} MHz",
        f"energy   {joules * 1e3:.3f} mJ ({found.hardware.sources or 'no sources given'})",
        f"EDP      {joules * seconds:.4g} J s",
        f"beside   {found.network.vector_operations} operations on vectors, counted and not timed",
    ]
    return "\n".join([*lines, *summary])


SIMULATE = Command(
    "simulate",
    "latency, energy and EDP of a network, every layer on its best mapping",
    _add_arguments,
    _simulate,
)
