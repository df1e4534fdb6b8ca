"""Networks: layers of affine workloads, from builders, YAML and ONNX.

>>> from accelgen.networks import load_network
>>> network = load_network("resnet50")
>>> network.macs, network.parameters
(4089184256, 25557032)
"""

from accelgen.networks.families import BUILDERS, build_network
from accelgen.networks.layer import Layer, VectorWork
from accelgen.networks.load import list_networks, load_network, parse_network
from accelgen.networks.network import Network
from accelgen.networks.onnx_file import read_onnx

__all__ = [
    "BUILDERS",
    "Layer",
    "Network",
    "VectorWork",
    "build_network",
    "list_networks",
    "load_network",
    "parse_network",
    "read_onnx",
]
