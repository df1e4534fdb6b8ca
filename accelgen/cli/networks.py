"""``accelgen networks``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from accelgen.cli.command import Command, add_json, print_json, table
from accelgen.cli.values import pairs

if TYPE_CHECKING:
    from accelgen.networks import Layer, Network, VectorWork

__all__ = ["NETWORKS"]

_SET = "tokens=384"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NETWORK",
        help="show the layers of this network: a shipped name, a YAML or an ONNX file",
    )  # fmt: skip
    parser.add_argument(
        "--set", metavar="NAME=VALUE,...",
        help="parameters of its builder (batch=4), or symbolic dimensions of an ONNX file",
    )  # fmt: skip
    add_json(parser)


def _networks(arguments: argparse.Namespace) -> int:
    from accelgen.errors import InputError
    from accelgen.networks import list_networks, load_network

    if arguments.name is None:
        if arguments.set is not None:
            raise InputError("--set needs a network", hint="accelgen networks bert_base --set ...")
        networks = [load_network(name) for name in list_networks()]
        if arguments.json:
            print_json({"networks": [_totals(network) for network in networks]})
        else:
            heading = ("network", "layers", "GMACs", "M parameters", "source")
            print(table([heading, *(_row(network) for network in networks)]))
        return 0
    given = pairs(arguments.set, "--set", _SET) if arguments.set is not None else {}
    network = load_network(
        arguments.name,
        {name: int(value) if value.isdecimal() else value for name, value in given.items()},
    )
    if arguments.json:
        layers = [_figures(layer) for layer in network.layers]
        print_json({**_totals(network), "edges": network.edges, "work": layers})
    else:
        print(_shown(network))
    return 0


def _row(network: Network) -> tuple[object, ...]:
    return (
        network.name,
        len(network.matrix_layers),
        f"{network.macs / 1e9:.3f}",
        f"{network.parameters / 1e6:.3f}",
        network.source,
    )


def _totals(network: Network) -> dict[str, object]:
    return {
        "name": network.name,
        "layers": len(network.matrix_layers),
        "distinct": len(network.distinct),
        "macs": network.macs,
        "parameters": network.parameters,
        "vector_operations": network.vector_operations,
        "source": network.source,
    }


def _figures(layer: Layer | VectorWork) -> dict[str, object]:
    from accelgen.networks import VectorWork

    common = {"name": layer.name, "repeats": layer.repeats, "parameters": layer.parameters}
    if isinstance(layer, VectorWork):
        return {**common, "operation": layer.operation, "operations": layer.operations}
    return {
        **common,
        "expression": layer.workload.expression,
        "bounds": dict(layer.workload.bounds),
        "types": dict(layer.workload.types),
        "weights": layer.weights,
        "macs": layer.macs,
    }


def _shown(network: Network) -> str:
    """A row per distinct layer, under the name of its first, then the vector work by kind."""
    same: dict[object, list[Layer]] = {}
    for layer in network.matrix_layers:
        same.setdefault((layer.workload, layer.weights), []).append(layer)
    rows: list[tuple[object, ...]] = [
        ("first layer", "times", "M MACs each", "M parameters", "workload")
    ]
    for layers in same.values():
        work = layers[0].workload
        times = sum(layer.repeats for layer in layers)
        bounds = " ".join(f"{loop}={n}" for loop, n in work.bounds.items())
        each = layers[0].macs / layers[0].repeats / 1e6
        parameters = sum(layer.parameters for layer in layers) / 1e6
        shown = f"{work.expression}, {bounds}"
        rows.append((layers[0].name, times, f"{each:.3f}", f"{parameters:.3f}", shown))
    counts: dict[str, int] = {}
    for work_ in network.vector_work:
        counts[work_.operation] = counts.get(work_.operation, 0) + work_.operations
    lines = [f"{network.name}: {network.source}" if network.source else network.name]
    lines.append(
        f"  {len(network.matrix_layers)} layers, {len(network.distinct)} distinct, "
        f"{network.macs} MACs, {network.parameters} parameters"
    )
    if len(rows) > 1:
        lines.append(table(rows, indent="  "))
    if counts:
        vector = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
        lines.append(f"  vector work, elements: {vector}")
    return "\n".join(lines)


NETWORKS = Command(
    "networks", "list the shipped networks, or the layers of one", _add_arguments, _networks
)
