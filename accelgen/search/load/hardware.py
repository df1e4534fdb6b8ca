"""The hardware of a search: spaces within the budget of a baseline."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from accelgen.affine.roles import LOOP_ROLES, loop_roles
from accelgen.affine.yaml_text import Plain, flag
from accelgen.errors import InputError
from accelgen.hardware.words import unit_kind
from accelgen.names import FrozenMap, unknown, within
from accelgen.networks import Layer
from accelgen.search.load.values import (
    Values,
    check_keys,
    flags_of,
    integer_of,
    integers_of,
    list_of,
    mapping_of,
    names_of,
    number_of,
)
from accelgen.search.spaces.array_genes import ArrayGenes
from accelgen.search.spaces.baseline import load_baseline
from accelgen.search.spaces.budget import Budget
from accelgen.search.spaces.fixed import FixedSpace
from accelgen.search.spaces.hardware import HardwareSpace
from accelgen.search.spaces.memory_genes import MemoryGenes
from accelgen.search.spaces.sizing import SizingSpace
from accelgen.sweep.evaluate import read_network
from accelgen.sweep.sources import NetworkSource

__all__ = ["about", "roles_in", "roles_of", "space_of"]

_KEYS = (
    "space", "baseline", "set", "budget", "dimensions", "loops_per_axis", "several", "stationary",
    "registers", "most_registers", "copies", "shared", "macs", "unit", "dram",
)  # fmt: skip
_BUDGET = ("units", "on_chip_bytes", "link_bytes", "dram_bytes", "area_mm2")
_SPACES = ("importance", "index", "sizing", "fixed")


def space_of(
    values: Values, roles: tuple[str, ...], folder: Path
) -> HardwareSpace | SizingSpace | FixedSpace:
    """The space of the key ``hardware``, for layers whose loops have ``roles``; a baseline may be a
    file in ``folder``.
    """
    check_keys(values, _KEYS)
    if "baseline" not in values:
        raise InputError(
            "no baseline", hint="baseline: eyeriss, for its resources and its cost model"
        )
    source = str(values["baseline"])
    with within("baseline"):
        own = folder / source
        changes = FrozenMap(mapping_of(values.get("set", {})))
        baseline = load_baseline(own if own.is_file() else source, changes)
    with within("budget"):
        budget = _budget(mapping_of(values.get("budget", {})), baseline.budget)
    space = str(values.get("space", "importance"))
    if space not in _SPACES:
        error = unknown(space, "space of hardware", _SPACES)
        error.where = "space"
        raise error
    if space == "fixed":
        given = [x for x in values if x not in ("space", "baseline", "set")]
        if given:
            raise InputError("fixed changes nothing", where=given[0], hint="drop it")
        return FixedSpace(baseline)
    if space == "sizing":
        given = [x for x in values if x not in ("space", "baseline", "set", "budget")]
        if given:
            raise InputError("sizing changes sizes alone", where=given[0], hint="drop it")
        return SizingSpace(baseline, budget)
    if "technology" not in baseline.values:
        raise InputError(
            f"{source} has energies of its own sizes alone", where="baseline",
            hint="set: {technology: cacti_45nm_lop}, or space: sizing",
        )  # fmt: skip
    with within("macs"):
        macs = _macs(list_of(values, "macs"))
    with within("unit"):
        kinds = tuple(unit_kind(name) for name in names_of(values.get("unit", [])))
    registers = baseline.hardware.registers is not None
    if "registers" in values:
        registers = flag(values["registers"], "registers")
    most = len(roles)
    array = ArrayGenes(
        cast("Any", space),
        roles,
        integers_of(values, "dimensions", (1, 2, 3)),
        integers_of(values, "loops_per_axis", tuple(n for n in (1, 2, 3) if n <= most)),
        flags_of(values, "several", (False,)),
        cast("Any", tuple(names_of(values.get("stationary", list(ArrayGenes.stays))))),
        registers,
    )
    bank, width = baseline.bank
    memory = MemoryGenes(
        FrozenMap(baseline.element_bytes(baseline.macs)),
        bank,
        width,
        registers,
        integer_of(values, "most_registers", 1024),
        integers_of(values, "copies", (2,)),
        flags_of(values, "shared", (True, False)),
    )
    rates = tuple(number_of(x, "dram") for x in list_of(values, "dram"))
    return HardwareSpace(baseline, budget, array, memory, macs, rates, kinds)


def _macs(values: list[Plain]) -> tuple[str | tuple[str, ...], ...]:
    """Formats of a unit each: one, or a list of several."""
    return tuple(x if isinstance(x, str) else tuple(names_of(x)) for x in values)


def _budget(values: Values, given: Budget) -> Budget:
    """That of the baseline, with what is given in its place."""
    found: dict[str, Any] = {key: getattr(given, key) for key in _BUDGET}
    check_keys(values, _BUDGET, "resource")
    if "area_mm2" in values and given.area_mm2 is None:
        raise InputError(
            "the cost model of the baseline knows no areas",
            where="area_mm2",
            hint="set: {technology: sg13g2}, or leave it out",
        )
    for key, value in values.items():
        whole = key in ("units", "on_chip_bytes")
        found[key] = integer_of(values, key, 0) if whole else number_of(value, key)
    return Budget(**found)


def roles_of(networks: tuple[NetworkSource, ...]) -> tuple[str, ...]:
    """The roles of loops that have more than one iteration anywhere."""
    return roles_in(layer for source in networks for layer in read_network(source).matrix_layers)


def roles_in(layers: Iterable[Layer]) -> tuple[str, ...]:
    """The same, of layers."""
    found: set[str] = set()
    for layer in layers:
        letters = loop_roles(layer.workload, layer.weights)
        found |= {letters[x] for x, n in layer.workload.domain.items() if n > 1}
    return tuple(role for role in LOOP_ROLES if role in found)


def about(space: HardwareSpace | SizingSpace | FixedSpace) -> str:
    """Where resources and cost model are from."""
    baseline, budget = space.baseline, space.budget
    hardware = baseline.hardware
    what = "resources" if budget == baseline.budget else "a budget in place of that"
    units = f"units of {' '.join(baseline.macs)}"
    if isinstance(space, HardwareSpace) and (space.macs or space.kinds):
        plain = [f"units of {x if isinstance(x, str) else ' '.join(x)}" for x in space.macs]
        others = [f"{kind} units" for kind in space.kinds if kind != "plain"]
        own = [] if plain or "plain" not in space.kinds else [units]
        units = " or ".join([*plain, *own, *others])
    return (
        f"{what} of {hardware.name} ({budget.units} units, {budget.on_chip_bytes} bytes on "
        f"chip, {budget.link_bytes:g} bytes per cycle between buffers and array) and its cost "
        f"model: {baseline.values.get('technology', 'energies of its file')}, "
        f"{hardware.clock_mhz:g} MHz, {units}, its DRAM"
    )
