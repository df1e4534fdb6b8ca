"""Builders of networks: functions of a few parameters, one module per family."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

from accelgen.errors import InputError
from accelgen.names import shorten, unknown, within
from accelgen.networks.families.alexnet import alexnet
from accelgen.networks.families.bert import bert
from accelgen.networks.families.coatnet import coatnet_0
from accelgen.networks.families.diffusion_unet import ddpm_unet, stable_diffusion_unet
from accelgen.networks.families.dit import dit
from accelgen.networks.families.efficientnet import efficientnet_b0, efficientnet_v2_s
from accelgen.networks.families.gpt2 import gpt2
from accelgen.networks.families.llama import llama
from accelgen.networks.families.mobilenet import mnasnet, mobilenet_v2
from accelgen.networks.families.resnet import resnet
from accelgen.networks.families.squeezenet import squeezenet
from accelgen.networks.families.unet import unet
from accelgen.networks.families.vgg import vgg
from accelgen.networks.families.video import hunyuan_video, wan
from accelgen.networks.families.vit import vit
from accelgen.networks.network import Network

__all__ = ["BUILDERS", "build_network", "check_parameters"]

MAX_PARAMETER = 2**20

BUILDERS: Mapping[str, Callable[..., Network]] = {
    builder.__name__: builder
    for builder in (
        alexnet, bert, coatnet_0, ddpm_unet, dit, efficientnet_b0, efficientnet_v2_s, gpt2,
        hunyuan_video, llama, mnasnet, mobilenet_v2, resnet, squeezenet, stable_diffusion_unet,
        unet, vgg, vit, wan,
    )
}  # fmt: skip
"""The builders by name."""


def build_network(builder: str, parameters: Mapping[str, int | str] | None = None) -> Network:
    """The network that ``builder`` makes of ``parameters``; those not given have their defaults.

    Raises :class:`InputError` for an unknown builder or parameter (with the nearest known one),
    a value of another type than the default's, and integers outside 1 (0 for padding) to 2**20.
    """
    given = parameters or {}
    check_parameters(builder, given)
    with within(builder):
        return BUILDERS[builder](**given)


def check_parameters(builder: str, parameters: Mapping[str, int | str]) -> None:
    """Raise :class:`InputError`, as :func:`build_network`, for what ``builder`` cannot take."""
    if builder not in BUILDERS:
        raise unknown(str(builder), "builder", BUILDERS)
    known = inspect.signature(BUILDERS[builder]).parameters
    for name, value in parameters.items():
        if name not in known:
            raise unknown(str(name), f"parameter of {builder}", known)
        _check(name, value, known[name].default)


def _check(name: str, value: object, default: object) -> None:
    if isinstance(default, str):
        if not isinstance(value, str):
            raise InputError(f"{shorten(value)} is no text", where=name, hint=f"use {default}")
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{shorten(value)} is no integer", where=name, hint=f"use {default}")
    low = 0 if name == "padding" else 1
    if not low <= value <= MAX_PARAMETER:
        raise InputError(f"{value} is outside {low}..2**20", where=name)
