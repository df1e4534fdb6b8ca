"""``accelgen simulate``."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.attention_hint import next_show
from accelgen.cli.attention_network import check_halves, unused_remark
from accelgen.cli.command import Command, add_json, print_json, remark, table
from accelgen.cli.pins import PIN, read_pins
from accelgen.cli.progress import counting
from accelgen.cli.values import add_seed, pairs
from accelgen.errors import InputError
from accelgen.names import nearest, shorten, unknown, within

if TYPE_CHECKING:
    from accelgen.mapper import Objective
    from accelgen.mapper.cache import Solved
    from accelgen.networks import Network
    from accelgen.simulation import NetworkResult

__all__ = ["SIMULATE"]

_ROLES = ("activations", "weights", "outputs", "fallback")
_PICTURES = ("energy", "latency", "roofline")
_COMPILING_AFTER = 2.0
"""Seconds after which a first call of compiled code that has not returned is compiling."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network", metavar="NETWORK", help="a shipped network, a YAML or an ONNX file"
    )
    parser.add_argument(
        "--hardware", required=True, metavar="HARDWARE",
        help="shipped hardware, a YAML file, or the folder of a generated design",
    )  # fmt: skip
    parser.add_argument(
        "--objective", default="edp", metavar="WHAT",
        help="what every layer's mapping minimises: latency, energy, edp (default), or A,B for "
        "energy^A * latency^B",
    )  # fmt: skip
    parser.add_argument(
        "--set", metavar="NAME=VALUE,...", help="parameters of the network's builder (batch=4)"
    )
    parser.add_argument(
        "--formats", metavar="FORMAT",
        help="of activations and weights: int4; or by role: "
        "activations=int8,weights=int4,outputs=int32,fallback=int8 (of layers without blocks)",
    )  # fmt: skip
    parser.add_argument(
        "--attention", metavar="PATTERN",
        help="run attention on an attention array, dense and with a pattern, as "
        "'streaming(4, 2000)', or with those of a description: accelgen attention list",
    )  # fmt: skip
    add_seed(parser, "of the tensors drawn for patterns that look at some")
    parser.add_argument("--layer", metavar="NAME,...", help="these layers only")
    parser.add_argument(
        "--pin", action="append", default=[], metavar=PIN,
        help="fix a part of the mapping: dataflow=NAME, unroll.AXIS=LOOP:UNITS,..., "
        "registers=LOOP:SIZE,..., buffer=LOOP:SIZE,..., levels.NAME=LOOP:SIZE,..., inner=LOOP,..., "
        "outer=LOOP,...; or a YAML file; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--uneven", action="store_true",
        help="also mappings in which the buffer holds some tensors of a larger box of iterations "
        "than others (with one level of buffers)",
    )  # fmt: skip
    parser.add_argument("--mappings", action="store_true", help="print the loop nest of each layer")
    add_json(parser)
    parser.add_argument("--csv", metavar="FILE", help="write a row per layer as CSV")
    parser.add_argument("--parquet", metavar="FILE", help="write a row per layer as Parquet")
    parser.add_argument(
        "--plot", metavar="FOLDER",
        help="draw energy.svg, latency.svg and roofline.svg there; or some, as SVG or PNG: "
        "energy=a.svg,roofline=b.png",
    )  # fmt: skip
    parser.add_argument(
        "--no-cache", action="store_true", help="solve everything, and keep nothing on disk"
    )


def _simulate(arguments: argparse.Namespace) -> int:
    objective = _objective(arguments.objective)
    if arguments.attention is not None:
        return _compare(arguments, objective)
    pictures = _pictures(arguments.plot)
    files = _files(arguments.csv, arguments.parquet, pictures)
    constraints = read_pins(arguments.pin, uneven=arguments.uneven)

    from accelgen.hardware import load_hardware
    from accelgen.results import figures
    from accelgen.simulation import simulate

    hardware = load_hardware(arguments.hardware)
    network = _network(arguments)
    solved = _solved(kept=not arguments.no_cache)
    hits = solved.hits
    with counting(network.name, "layers") as shown, _compiling(shown.note):
        found = simulate(
            network, hardware, objective,
            constraints=constraints, solved=solved, progress=shown.step,
        )  # fmt: skip
    _write(found, arguments.csv, arguments.parquet, pictures)
    if arguments.json:
        print_json(figures(found))
    else:
        print(_shown(found, mappings=arguments.mappings))
    _say_cached(solved, hits, len(network.distinct))
    _say_widened(found)
    for file in files:
        remark(f"wrote {file}")
    if not arguments.json:
        print(f"next: {_next(arguments, found)}", file=sys.stderr)
    return 0


def _compare(arguments: argparse.Namespace, objective: Objective) -> int:
    """Attention on an attention array, dense and with a pattern; everything else as ever."""
    for option in ("csv", "parquet", "plot", "mappings"):
        if getattr(arguments, option):
            raise InputError(
                "not with --attention", where=f"--{option}", hint="use --json, which has all layers"
            )
    constraints = read_pins(arguments.pin, uneven=arguments.uneven)

    from accelgen.attention.network.planned import read_plan
    from accelgen.attention.network.simulation import simulate_attention
    from accelgen.hardware import load_hardware
    from accelgen.results.attention import attention_figures, attention_text

    with within("--attention"):
        plan = read_plan(arguments.attention)
    hardware = load_hardware(arguments.hardware)
    network = _network(arguments)
    if arguments.layer is not None:
        check_halves(_loaded(arguments), network)
    solved = _solved(kept=not arguments.no_cache)
    with counting(network.name, "layers") as shown, _compiling(shown.note):
        found = simulate_attention(
            network, hardware, plan, objective, seed=arguments.seed,
            constraints=constraints, solved=solved, progress=shown.step, stage=shown.stage,
        )  # fmt: skip
    said = unused_remark(arguments.attention, plan, found.attention.layers, hardware)
    if arguments.json:
        print_json({**attention_figures(found), "remark": said})
        return 0
    heading, layers, totals, lines = attention_text(found)
    print("\n".join([heading, table(layers), table(totals), *lines]))
    if said is not None:
        remark(said)
    hint = next_show(arguments.attention, plan, found.attention.layers, arguments.seed)
    print(f"next: {hint}", file=sys.stderr)
    return 0


def _objective(text: str) -> Objective:
    if text in ("latency", "energy", "edp"):
        return text  # type: ignore[return-value]
    parts = text.split(",")
    if len(parts) != 2:
        error = unknown(text, "objective", ("latency", "energy", "edp"))
        error.where, error.hint = "--objective", f"{error.hint}; or A,B: energy^A * latency^B"
        raise error
    try:
        energy, latency = (float(part) for part in parts)
    except ValueError:
        energy = latency = math.nan
    if not (0 <= energy < math.inf and 0 <= latency < math.inf and energy + latency > 0):
        raise InputError(
            f"{shorten(text)} is not two exponents of 0 or more, of energy and latency",
            where="--objective", hint="write --objective 1,2",
        )  # fmt: skip
    return energy, latency


def _pictures(text: str | None) -> dict[str, Path]:
    """Files by picture."""
    if text is None:
        return {}
    if "=" not in text:
        folder = Path(text)
        if folder.suffix.lower() in (".svg", ".png") and not folder.is_dir():
            raise InputError(
                f"which picture is {folder.name}?", where="--plot",
                hint=f"write --plot energy={text}, or the name of a folder",
            )  # fmt: skip
        return {name: folder / f"{name}.svg" for name in _PICTURES}
    from accelgen.show.style import check_suffix

    given = pairs(text, "--plot", "energy=energy.svg")
    for name, file in given.items():
        if name not in _PICTURES:
            raise InputError(
                f"there is no picture {shorten(name)}", where="--plot",
                hint=nearest(name, _PICTURES),
            )  # fmt: skip
        check_suffix(Path(file))
    return {name: Path(file) for name, file in given.items()}


def _files(csv: str | None, parquet: str | None, pictures: dict[str, Path]) -> list[Path]:
    """Every file that is going to be written, checked before the work begins."""
    from accelgen.output_file import check_file

    files = [Path(name) for name in (csv, parquet) if name is not None] + list(pictures.values())
    for number, file in enumerate(files):
        check_file(file)
        if file.resolve() in (other.resolve() for other in files[:number]):
            raise InputError("is to be written twice", where=str(file), hint="name two files")
    return files


def _loaded(arguments: argparse.Namespace) -> Network:
    """The whole network, in its own formats."""
    from accelgen.networks import load_network

    given = pairs(arguments.set, "--set", "batch=4") if arguments.set is not None else {}
    return load_network(
        arguments.network,
        {name: int(value) if value.isdecimal() else value for name, value in given.items()},
    )


def _network(arguments: argparse.Namespace) -> Network:
    network = _loaded(arguments)
    if arguments.layer is not None:
        network = _only(network, arguments.layer)
    if not network.matrix_layers:
        raise InputError(
            "no matrix work", where=network.name, hint="accelgen networks says what there is"
        )
    if arguments.formats is not None:
        network = _with_formats(network, arguments.formats)
    return network


def _only(network: Network, text: str) -> Network:
    from accelgen.networks import VectorWork

    chosen = {network.layer(name.strip()).name for name in text.split(",")}
    for layer in network.vector_work:
        if layer.name in chosen:
            raise InputError(f"{layer.name} is work on vectors, not mapped", where="--layer")
    kept = [x for x in network.layers if x.name in chosen and not isinstance(x, VectorWork)]
    return replace(network, layers=tuple(kept), edges=())


def _with_formats(network: Network, text: str) -> Network:
    if "=" not in text:
        return network.with_formats(activations=text, weights=text)
    given = pairs(text, "--formats", "activations=int8,weights=int4")
    for role in given:
        if role not in _ROLES:
            error = unknown(role, "role", _ROLES)
            error.where = "--formats"
            raise error
    return network.with_formats(
        activations=given.get("activations"),
        weights=given.get("weights"),
        outputs=given.get("outputs"),
        fallback=given.get("fallback"),
    )


def _say_widened(found: NetworkResult) -> None:
    """Where layers are computed in wider types than theirs, for units that have no others."""
    from accelgen.affine.workload import DEFAULT_TYPE

    changes: dict[tuple[str, str], int] = {}
    for result in found.layers:
        work = result.layer.workload
        types = (work.types.get(x.tensor, DEFAULT_TYPE) for x in work.assignment.inputs)
        pair = "*".join(sorted(types)), result.problem.number_format
        changes[pair] = changes.get(pair, 0) + 1
    for (own, used), count in changes.items():
        if own != used:
            remark(f"{found.hardware.name} has no units for {own}: {count} layers are {used}")


def _solved(*, kept: bool) -> Solved:
    from accelgen.mapper.cache import Solved, open_solved

    if not kept:
        return Solved()
    try:
        return open_solved()
    except InputError as error:
        remark(f"solved mappings are not kept: {error.where}: {error.message}")
        return Solved()


def _say_cached(solved: Solved, before: int, total: int) -> None:
    known = solved.hits - before
    if solved.store is not None and solved.store.dropped:
        remark(
            f"{solved.store.path}: {solved.store.dropped} damaged records were left out and "
            "their mappings solved again where wanted"
        )
    if known:
        remark(f"{known} of {total} distinct layers were solved before (--no-cache solves again)")


@contextmanager
def _compiling(note: Callable[[str], None]) -> Iterator[None]:
    """Say that the mapper is being compiled when the first search does not begin for a while."""
    from accelgen.mapper.branch import explore

    def say() -> None:
        # A compiled function has signatures once it is compiled, or read from numba's cache.
        if not getattr(explore, "signatures", True):
            note("compiling the mapper for this machine, once: a minute or two")

    timer = threading.Timer(_COMPILING_AFTER, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _write(
    found: NetworkResult, csv: str | None, parquet: str | None, pictures: dict[str, Path]
) -> None:
    if csv is not None or parquet is not None:
        from accelgen.results import write_csv, write_parquet

        if csv is not None:
            write_csv(found, csv)
        if parquet is not None:
            write_parquet(found, parquet)
    if pictures:
        from accelgen.results import draw_energy, draw_latency, draw_roofline

        draw = dict(zip(_PICTURES, (draw_energy, draw_latency, draw_roofline), strict=True))
        for name, file in pictures.items():
            draw[name](found, file)


def _shown(found: NetworkResult, *, mappings: bool) -> str:
    from accelgen.results import report

    said = report(found)
    lines = said.nests if mappings else ()
    return "\n".join([*lines, said.heading, table(said.layers), table(said.energy), *said.lines])


def _next(arguments: argparse.Namespace, found: NetworkResult) -> str:
    """The loop nest of what takes most energy x cycles; with loop nests shown, pictures."""
    words = ["accelgen", "simulate", arguments.network, "--hardware", arguments.hardware]
    for option in ("objective", "set", "formats"):
        value = getattr(arguments, option)
        if value is not None and (option, value) != ("objective", "edp"):
            words += [f"--{option}", value]
    for pin in arguments.pin:
        words += ["--pin", pin]
    if arguments.uneven:
        words.append("--uneven")
    if arguments.mappings:
        return shlex.join([*words, "--plot", f"{found.network.name}_pictures"])
    costly = max(found.layers, key=lambda result: result.energy_pj * result.cycles)
    return shlex.join([*words, "--layer", costly.layer.name, "--mappings"])


SIMULATE = Command(
    "simulate",
    "latency, energy and EDP of a network, every layer on its best mapping",
    _add_arguments,
    _simulate,
)
