"""Searches from YAML: ``mapping/searches/`` and files of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from accelgen.affine.yaml_text import Node, parse_yaml, read_text
from accelgen.content import content_path, list_content
from accelgen.errors import InputError
from accelgen.names import unknown, within
from accelgen.search.load.digits import KEYS as JOINT
from accelgen.search.load.digits import search_of_digits
from accelgen.search.load.elastic import is_elastic, search_of_elastic
from accelgen.search.load.hardware import about, roles_of, space_of
from accelgen.search.load.values import (
    Values,
    check_keys,
    constraints_of,
    effort_of,
    mapping_of,
    names_of,
    objectives_of,
)
from accelgen.search.search import Search
from accelgen.search.space import Joint
from accelgen.search.subjects.hardware import HardwareSubject
from accelgen.sweep.sources import network_source

__all__ = ["list_searches", "load_search", "make_search", "parse_search"]

_FOLDER = "searches/"
_KEYS = (
    "name", "networks", "hardware", "objectives", "constraints", "minimise", "optimiser",
    "population", "evaluations", "seed",
)  # fmt: skip


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
    Without a ``name`` it is ``search``.

    Raises :class:`InputError`.
    """
    values = {"name": "search", **values}
    if "network" in values:
        return search_of_elastic(values, folder) if is_elastic(values) else search_of_digits(values)
    for key in values:
        if key in JOINT and key not in _KEYS:
            raise InputError(
                "is for searches of networks", where=key, hint="add network: {space: digits}"
            )
    check_keys(values, _KEYS)
    with within("networks"):
        networks = tuple(network_source(x, folder) for x in names_of(values.get("networks", [])))
        if not networks:
            raise InputError("none", hint="networks: [mobilenet_v2]")
        roles = roles_of(networks)
    with within("hardware"):
        hardware = space_of(mapping_of(values.get("hardware")), roles, folder)
        if not hardware.genes:
            raise InputError("nothing to search", where="space", hint="space: importance")
    objectives = objectives_of(values, ("edp",), ())
    several = len(objectives) > 1
    return Search(
        str(values["name"]),
        Joint({"hardware": hardware}),
        HardwareSubject(
            networks,
            cast("Any", str(values.get("minimise", "edp"))),
            about(hardware),
        ),
        objectives,
        constraints_of(values),
        **effort_of(values, "nsga2" if several else "cma_es"),
    )


def _line(node: Node, path: list[str]) -> int:
    """The line of the innermost key that ``path`` leads to."""
    for part in (part.strip() for part in path):
        if isinstance(node.value, dict) and part in node.value:
            node = node.value[part]
    return node.line
