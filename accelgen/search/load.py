"""Searches from YAML: ``mapping/searches/`` and files of the user's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from accelgen.affine.roles import LOOP_ROLES, loop_roles
from accelgen.affine.yaml_text import Node, Plain, flag, parse_yaml, read_text
from accelgen.content import content_path, list_content
from accelgen.elastic.digits import DigitsSpace
from accelgen.errors import InputError
from accelgen.names import FrozenMap, shorten, unknown, within
from accelgen.search.array_genes import ArrayGenes
from accelgen.search.baseline import Baseline, load_baseline
from accelgen.search.budget import Budget
from accelgen.search.digits_subject import DigitsSubject
from accelgen.search.hardware_space import HardwareSpace
from accelgen.search.hardware_subject import HardwareSubject
from accelgen.search.kernel_space import KernelSpace
from accelgen.search.memory_genes import MemoryGenes
from accelgen.search.network_genes import ArchitectureSpace, BitsSpace
from accelgen.search.search import Search
from accelgen.search.sizing_space import SizingSpace
from accelgen.search.space import Joint
from accelgen.sweep.evaluate import read_network
from accelgen.sweep.metrics import Constraint
from accelgen.sweep.sources import NetworkSource, network_source

__all__ = ["list_searches", "load_search", "make_search", "parse_search"]

_FOLDER = "searches/"
_KEYS = (
    "name", "networks", "hardware", "objectives", "constraints", "minimise", "optimiser",
    "population", "evaluations", "seed",
)  # fmt: skip
_HARDWARE = (
    "space", "baseline", "set", "budget", "dimensions", "loops_per_axis", "several", "stationary",
    "registers", "most_registers", "copies", "shared", "macs", "dram",
)  # fmt: skip
_BUDGET = ("units", "on_chip_bytes", "link_bytes", "dram_bytes", "area_mm2")
_SPACES = ("importance", "index", "sizing")
_JOINT = (
    "name", "network", "accuracy", "bits", "hardware", "technology", "period_ns", "objectives",
    "constraints", "optimiser", "population", "evaluations", "seed",
)  # fmt: skip
"""Keys of a search of networks, bits and kernels together."""
_KERNELS = ("space", "units", "dimensions", "sizes", "multipliers", "buses")

Values = Mapping[str, Plain]


def list_searches() -> tuple[str, ...]:
    """The names of the shipped searches, sorted."""
    files = (name for name in list_content("mapping") if name.startswith(_FOLDER))
    return tuple(name.removeprefix(_FOLDER).removesuffix(".yaml") for name in files)


def load_search(source: str | Path, **changes: Any) -> Search:  # noqa: ANN401 - any key's value
    """Read a search file, or a shipped one by its name; ``changes`` replace keys of it.

    Raises :class:`InputError` at ``file:line``.
    """
    path = Path(source)
    if path.suffix not in (".yaml", ".yml") and not path.is_file():
        if str(source) not in list_searches():
            raise unknown(str(source), "search", list_searches())
        path = content_path("mapping", f"{_FOLDER}{source}.yaml")
    name = path.stem.replace("-", "_")
    return parse_search(read_text(path), str(source), name, path.parent, **changes)


def parse_search(
    text: str,
    where: str = "search",
    name: str = "search",
    folder: Path | None = None,
    **changes: Any,  # noqa: ANN401 - any key's value
) -> Search:
    """Read a search from YAML text; ``name`` is used when the text gives none."""
    root = parse_yaml(text, where)
    if not isinstance(root.value, dict):
        raise InputError("a mapping expected", where=where, hint=f"give {', '.join(_KEYS[:4])}")
    lines = dict(root.value)
    values = {key: node.plain() for key, node in lines.items()}
    try:
        return make_search({"name": name, **values, **changes}, folder or Path())
    except InputError as error:
        key = (error.where or "").split(":")[0].strip()
        line = _line(root, (error.where or "").split(":")) if key in lines else root.line
        error.where = f"{where}:{line}" + (f": {error.where}" if error.where else "")
        raise


def make_search(values: Values, folder: Path = Path()) -> Search:
    """A search from plain values, as in a file; networks and hardware are looked for in ``folder``.

    Raises :class:`InputError`.
    """
    if "network" in values:
        return _joint(values)
    for key in values:
        if key in _JOINT and key not in _KEYS:
            raise InputError(
                "is for searches of networks", where=key, hint="add network: {space: digits}"
            )
        if key not in _KEYS:
            error = unknown(key, "key", _KEYS)
            error.where = key
            raise error
    with within("networks"):
        networks = tuple(network_source(x, folder) for x in _names(values.get("networks", [])))
        if not networks:
            raise InputError("none", hint="networks: [mobilenet_v2]")
        roles = _roles(networks)
    with within("hardware"):
        hardware = _hardware(_mapping(values.get("hardware")), roles, folder)
    with within("objectives"):
        objectives = tuple(_names(values.get("objectives", ["edp"])))
    several = len(objectives) > 1
    return Search(
        str(values["name"]),
        Joint({"hardware": hardware}),
        HardwareSubject(
            networks,
            cast("Any", str(values.get("minimise", "edp"))),
            _about(hardware.baseline, hardware.budget),
        ),
        objectives,
        _constraints(values),
        cast("Any", str(values.get("optimiser", "nsga2" if several else "cma_es"))),
        _integer(values, "evaluations", 1000),
        None if values.get("population") is None else _integer(values, "population", 0),
        _integer(values, "seed", 0),
    )


def _joint(values: Values) -> Search:
    """A search of networks, bits and kernels together."""
    for key in values:
        if key not in _JOINT:
            error = unknown(key, "key of a search with a network", _JOINT)
            error.where = key
            raise error
    with within("network"):
        network = _mapping(values["network"])
        if network != {"space": "digits"}:
            raise InputError(
                f"{shorten(network)} is not searched with kernels",
                hint="network: {space: digits}; others have no weights to run",
            )
    if str(values.get("accuracy", "measured")) != "measured":
        raise InputError(
            f"{shorten(values['accuracy'])}", where="accuracy", hint="of digits, it is measured"
        )
    space = DigitsSpace()
    with within("bits"):
        given = _mapping(values.get("bits", {}))
        for key in given:
            if key not in ("weights", "activations"):
                raise unknown(key, "key", ("weights", "activations"))
        layers = tuple(layer.name for layer in space.layers(space.largest))
        bits = BitsSpace(layers, **{key: tuple(_names(x)) for key, x in given.items()})
    with within("hardware"):
        kernels = _kernels(_mapping(values.get("hardware", {})))
    subject = DigitsSubject(
        str(values.get("technology", "sg13g2")), _number(values.get("period_ns", 5.0), "period_ns")
    )
    with within("objectives"):
        objectives = tuple(_names(values.get("objectives", ["accuracy", "latency", "energy"])))
    return Search(
        str(values["name"]),
        Joint({"hardware": kernels, "network": ArchitectureSpace(space), "bits": bits}),
        subject,
        objectives,
        _constraints(values),
        cast("Any", str(values.get("optimiser", "nsga2"))),
        _integer(values, "evaluations", 1000),
        None if values.get("population") is None else _integer(values, "population", 0),
        _integer(values, "seed", 0),
    )


def _kernels(values: Values) -> KernelSpace:
    for key in values:
        if key not in _KERNELS:
            error = unknown(key, "key", _KERNELS)
            error.where = key
            raise error
    if str(values.get("space", "kernels")) != "kernels":
        raise InputError(
            f"{shorten(values['space'])}", where="space", hint="networks that run need kernels"
        )
    default = KernelSpace()
    return KernelSpace(
        _integer(values, "units", default.units),
        _integers(values, "dimensions", default.dimensions),
        _integers(values, "sizes", default.sizes),
        tuple(_names(values.get("multipliers", list(default.multipliers)))),
        _integers(values, "buses", default.buses),
    )


def _hardware(values: Values, roles: tuple[str, ...], folder: Path) -> HardwareSpace | SizingSpace:
    for key in values:
        if key not in _HARDWARE:
            error = unknown(key, "key", _HARDWARE)
            error.where = key
            raise error
    if "baseline" not in values:
        raise InputError(
            "no baseline", hint="baseline: eyeriss, for its resources and its cost model"
        )
    source = str(values["baseline"])
    with within("baseline"):
        own = folder / source
        changes = FrozenMap(_mapping(values.get("set", {})))
        baseline = load_baseline(own if own.is_file() else source, changes)
    with within("budget"):
        budget = _budget(_mapping(values.get("budget", {})), baseline.budget)
    space = str(values.get("space", "importance"))
    if space not in _SPACES:
        error = unknown(space, "space of hardware", _SPACES)
        error.where = "space"
        raise error
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
    macs = tuple(_names(values.get("macs", [])))
    registers = baseline.hardware.registers is not None
    if "registers" in values:
        registers = flag(values["registers"], "registers")
    most = len(roles)
    array = ArrayGenes(
        cast("Any", space),
        roles,
        _integers(values, "dimensions", (1, 2, 3)),
        _integers(values, "loops_per_axis", tuple(n for n in (1, 2, 3) if n <= most)),
        _flags(values, "several", (False,)),
        cast("Any", tuple(_names(values.get("stationary", list(ArrayGenes.stays))))),
        registers,
    )
    bank, width = baseline.bank
    memory = MemoryGenes(
        FrozenMap(baseline.element_bytes(macs or baseline.macs)),
        bank,
        width,
        registers,
        _integer(values, "most_registers", 1024),
        _integers(values, "copies", (2,)),
        _flags(values, "shared", (True, False)),
    )
    rates = tuple(_number(x, "dram") for x in _list(values, "dram"))
    return HardwareSpace(baseline, budget, array, memory, macs, rates)


def _budget(values: Values, given: Budget) -> Budget:
    """That of the baseline, with what is given in its place."""
    found: dict[str, Any] = {key: getattr(given, key) for key in _BUDGET}
    for key, value in values.items():
        if key not in _BUDGET:
            error = unknown(key, "resource", _BUDGET)
            error.where = key
            raise error
        whole = key in ("units", "on_chip_bytes")
        found[key] = _integer(values, key, 0) if whole else _number(value, key)
    return Budget(**found)


def _roles(networks: tuple[NetworkSource, ...]) -> tuple[str, ...]:
    """The roles of loops that have more than one iteration anywhere."""
    found: set[str] = set()
    for source in networks:
        for layer in read_network(source).matrix_layers:
            letters = loop_roles(layer.workload, layer.weights)
            found |= {letters[x] for x, n in layer.workload.domain.items() if n > 1}
    return tuple(role for role in LOOP_ROLES if role in found)


def _about(baseline: Baseline, budget: Budget) -> str:
    """Where resources and cost model are from."""
    hardware = baseline.hardware
    what = "resources" if budget == baseline.budget else "a budget in place of that"
    return (
        f"{what} of {hardware.name} ({budget.units} units, {budget.on_chip_bytes} bytes on "
        f"chip, {budget.link_bytes:g} bytes per cycle between buffers and array) and its cost "
        f"model: {baseline.values.get('technology', 'energies of its file')}, "
        f"{hardware.clock_mhz:g} MHz, units of {' '.join(baseline.macs)}, its DRAM"
    )


def _constraints(values: Values) -> tuple[Constraint, ...]:
    found = []
    with within("constraints"):
        for metric, limits in _mapping(values.get("constraints", {})).items():
            both = limits if isinstance(limits, dict) else {"max": limits}
            for key in both:
                if key not in ("min", "max"):
                    raise unknown(key, "limit", ("min", "max"))
            numbers = {key: _number(value, metric) for key, value in both.items()}
            low, high = numbers.get("min", -math.inf), numbers.get("max", math.inf)
            found.append(Constraint(metric, low, high))
    return tuple(found)


def _line(node: Node, path: list[str]) -> int:
    """The line of the innermost key that ``path`` leads to."""
    for part in (part.strip() for part in path):
        if isinstance(node.value, dict) and part in node.value:
            node = node.value[part]
    return node.line


def _mapping(value: Plain) -> dict[str, Plain]:
    if not isinstance(value, dict):
        raise InputError(f"{shorten(value)} is no mapping", hint="write key: value")
    return value


def _list(values: Values, key: str) -> list[Plain]:
    value = values.get(key, [])
    if not isinstance(value, list):
        raise InputError(f"{shorten(value)} is no list", where=key, hint=f"write {key}: [...]")
    return value


def _names(value: Plain) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{shorten(value)} is no list of names", hint="write [name, name]")
    return [str(name) for name in value]


def _integers(values: Values, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
    if key not in values:
        return default
    found = _list(values, key)
    if not all(isinstance(n, int) for n in found):
        raise InputError(f"{shorten(found)}", where=key, hint=f"write {key}: {list(default)}")
    return tuple(n for n in found if isinstance(n, int))


def _flags(values: Values, key: str, default: tuple[bool, ...]) -> tuple[bool, ...]:
    if key not in values:
        return default
    return tuple(flag(value, key) for value in _list(values, key))


def _integer(values: Values, key: str, default: int) -> int:
    value = values.get(key, default)
    if not isinstance(value, int):
        raise InputError(f"{shorten(value)} is no integer", where=key, hint=f"{key}: 1000")
    return value


def _number(value: Plain | float, where: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{shorten(value)} is no number", where=where, hint="use 0.5") from None
    if not math.isfinite(number):
        raise InputError(f"{shorten(value)} is no number", where=where, hint="use 0.5")
    return number
