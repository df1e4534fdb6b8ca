"""``accelgen generate``, ``verify`` and ``cycles`` of attention accelerators."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.attention_hint import check_number, dense_remark
from accelgen.cli.command import print_json, remark, stages, table
from accelgen.errors import InputError

if TYPE_CHECKING:
    from accelgen.attention.accelerator.core import Core
    from accelgen.attention.accelerator.generate import AttentionDesign
    from accelgen.attention.accelerator.predict import LayerCycles
    from accelgen.attention.description import AttentionDescription
    from accelgen.cosim.verify_attention import AttentionReport

__all__ = ["check_sources", "cycles", "generate", "is_attention_source", "verify"]

_OF_DATAFLOWS: dict[str, object] = {
    "bounds": None,
    "space": None,
    "time": None,
    "types": None,
    "skew": None,
    "chain": None,
    "period": None,
    "technology": "sg13g2",
    "bus": None,
    "without": [],
    "programmable": False,
    "words": None,
    "accumulate_in": False,
    "output_stage": False,
    "code_bits": None,
    "name": None,
    "csv": False,
}
"""Options that say nothing of attention, with what they are when not given."""

_INSTEAD = {
    "csv": "there is no table; use --json",
    "name": "write name: in the attention description",
    "bounds": "write tokens:, heads: and head_dim: in the attention description",
    "types": "write formats: in the attention description",
    "space": "write what the array of an attention description is like under array:",
    "bus": "write what the array of an attention description is like under array:",
}
"""What to do in place of one of these; the others are left out."""

_CYCLES_TILES = 200_000
"""Tiles that ``accelgen cycles`` follows: a few seconds."""


def is_attention_source(sources: list[str]) -> bool:
    """Whether an attention description is named, or the folder of an accelerator for one.

    Raises :class:`InputError` when it is among several.
    """
    from accelgen.attention.load import is_attention

    found = [source for source in sources if is_attention(source) or _is_design(source)]
    if found and len(sources) > 1:
        raise InputError(
            "is an attention description, which shares no array with others",
            where=found[0],
            hint="generate it alone",
        )
    return bool(found)


def check_sources(sources: Sequence[str], *, folders: bool = False) -> None:
    """Raise :class:`InputError` for a source that is neither a file nor the name of anything, with
    all that it could be: with ``folders`` also that of an attention accelerator.
    """
    from accelgen.attention.load import list_attention
    from accelgen.content import list_content
    from accelgen.names import nearest, shorten

    names = [file.removesuffix(".yaml") for file in list_content("dataflows")]
    for source in sources:
        path = Path(source)
        if source in names or path.suffix in (".yaml", ".yml") or path.is_file():
            continue
        could = "a YAML file or a name that accelgen list or accelgen attention list shows"
        if folders:
            could = f"{could}, or the folder of an attention accelerator"
        if path.is_dir():
            text = "is a folder without an attention accelerator" if folders else "is a folder"
            raise InputError(text, where=source, hint=f"give {could}")
        near = nearest(source, (*names, *list_attention()), "")
        raise InputError(
            f"unknown description {shorten(source)}",
            hint=f"{near} or give {could}" if near else f"give {could}",
        )


def generate(source: str, arguments: argparse.Namespace) -> int:
    """Generate the accelerator of a description."""
    from accelgen.attention.accelerator.generate import generate_attention
    from accelgen.attention.load import load_attention

    _check(arguments)
    if _is_design(source):
        raise InputError(
            "is the folder of a generated accelerator",
            where=source,
            hint="give the description that it was made of, or accelgen verify it",
        )
    description = load_attention(source)
    folder = Path(arguments.output or Path("rtl_out", description.name))
    with stages(f"generating {description.name}") as progress:
        made = generate_attention(description, folder, progress=progress)
    said = _dense(description, 0, f"accelgen cycles {shlex.quote(str(folder))} --layer")
    if arguments.json:
        print_json({**_figures(made, folder), "remark": said})
        return 0
    print(_summary(made, folder))
    if said is not None:
        remark(said)
    return 0


def verify(directory: Path, arguments: argparse.Namespace) -> int:
    """Verify the accelerator in a folder."""
    from accelgen.cosim.verify_attention import verify_attention

    with stages(f"building and simulating {directory}"):
        report = verify_attention(directory, seed=arguments.seed, waves=arguments.waves)
    if arguments.json:
        print_json(report.to_json())
    else:
        print(_shown(report))
    return 0 if report.passed else 1


def cycles(source: str, arguments: argparse.Namespace) -> int:
    """Predict the cycles of a description, or of the one that a design was made of."""
    from accelgen.attention.accelerator.design_report import full_utilisation
    from accelgen.attention.accelerator.manifest import read_attention
    from accelgen.attention.accelerator.predict import predict_layer, tile_cycles
    from accelgen.attention.load import load_attention

    _check(arguments)
    path = Path(source)
    description = read_attention(path).description if path.is_dir() else load_attention(source)
    core = description.core()
    layer: int = arguments.layer or 0
    check_number("--layer", layer, description.layers)
    with stages(f"predicting {description.name}"):
        found = predict_layer(description, layer=layer, most_tiles=_CYCLES_TILES)
    per_tile = tile_cycles(core)
    said = _dense(description, layer)
    if arguments.json:
        print_json(
            {
                "name": description.name,
                **found.to_json(),
                "remark": said,
                "cycles_per_tile": per_tile,
                "utilisation_of_full_tiles": round(full_utilisation(core), 6),
            }
        )
        return 0
    rows: list[tuple[object, ...]] = [
        ("compute_cycles", found.cycles.busy, found.text),
        ("total_cycles", found.cycles.total, ""),
        *_summaries(found),
        ("tiles", found.tiles, f"of {core.numerics.rows} keys; cycles of one in a long list:"),
        *((f"  {name}", count, "") for name, count in per_tile.items()),
    ]
    print(_heading(description, core))
    print(table(rows, indent="  "))
    print(
        f"  utilisation {found.cycles.utilisation:.4f}, of full tiles {full_utilisation(core):.4f}"
    )
    if said is not None:
        remark(said)
    return 0


def _summaries(found: LayerCycles) -> list[tuple[object, ...]]:
    if not found.summaries:
        return []
    return [("summaries", found.summaries, "tiles, of blocks to select from")]


def _dense(description: AttentionDescription, layer: int, option: str = "--layer") -> str | None:
    patterns = description.head_patterns(layer)
    return dense_remark(patterns, description.shape, layer, description.layers, option)


def _is_design(source: str) -> bool:
    """Whether a folder holds an attention accelerator."""
    from accelgen.attention.accelerator.manifest import ATTENTION
    from accelgen.manifest import Listing

    folder = Path(source)
    return (folder / "manifest.json").is_file() and Listing.read(folder).design == ATTENTION


def _check(arguments: argparse.Namespace) -> None:
    for option, default in _OF_DATAFLOWS.items():
        if getattr(arguments, option, default) != default:
            raise InputError(
                f"--{option.replace('_', '-')} is an option of dataflows",
                hint=_INSTEAD.get(option, "leave it out: attention descriptions have none like it"),
            )


def _heading(description: AttentionDescription, core: Core) -> str:
    shape, n = description.shape, core.numerics
    several = f"{core.arrays} arrays of " if core.arrays > 1 else ""
    return (
        f"{description.name}: {shape.queries} queries x {shape.keys} keys, {shape.heads} heads,"
        f" {shape.kv_heads} of keys and values, on {several}{n.rows} x {n.rows} cells"
    )


def _summary(made: AttentionDesign, folder: Path) -> str:
    from accelgen.attention.accelerator.design_report import full_utilisation, memories
    from accelgen.attention.accelerator.registers import registers

    core, found = made.core, made.predicted
    n = core.numerics
    bits = core.arrays * sum(count * words * size for _, count, words, size in memories(core))
    formats = ", ".join(f"{t}: {f}" for t, f in zip("qkv", core.formats, strict=True))
    rows = [
        ("Verilog", folder / f"{made.description.name}.v"),
        (
            "predicted",
            f"compute_cycles {found.cycles.busy}, total_cycles {found.cycles.total}; {found.text}",
        ),
        (
            "utilisation",
            f"{found.cycles.utilisation:.4f}, of full tiles {full_utilisation(core):.4f}",
        ),
        ("formats", formats),
        ("multipliers", f"{core.arrays * n.rows**2} of {n.operand_bits} x {n.element_bits} bits"),
        ("memory", f"{bits} bits"),
        ("registers", f"{len(registers(core))} describe a problem, on s_axil"),
        ("next", f"accelgen verify {shlex.quote(str(folder))}"),
    ]
    return f"{_heading(made.description, core)}\n{table(rows, indent='  ')}"


def _figures(made: AttentionDesign, folder: Path) -> dict[str, object]:
    from accelgen.attention.accelerator.manifest import to_json

    name = made.description.name
    manifest = to_json(made.description, made.core, made.predicted)
    return {
        "name": name,
        "output": str(folder),
        "verilog": [str(folder / f"{name}.v")],
        "manifest": str(folder / "manifest.json"),
        "report": str(folder / "report.md"),
        "predicted": manifest["predicted"],
        "attention": manifest["attention"],
    }


def _shown(report: AttentionReport) -> str:
    rows: list[tuple[object, ...]] = [
        ("phase", "row groups", "tiles", "busy", "predicted", "total", "predicted", "")
    ]

    def cell(value: int | None) -> object:
        return "-" if value is None else value

    for phase in report.phases:
        rows.append(
            (
                phase.name,
                phase.row_groups,
                phase.tiles,
                phase.busy_cycles,
                cell(phase.predicted_busy),
                cell(phase.total_cycles),
                cell(phase.predicted_total),
                "pass" if phase.passed else "FAIL",
            )
        )
    failed = sum(not phase.passed for phase in report.phases)
    verdict = f"FAIL in {failed} of" if failed else "PASS in all"
    last = f"{report.name}: {verdict} {len(report.phases)} phases"
    waves = [f"waves: {report.waves}"] if report.waves is not None else []
    used = f"utilisation on full blocks: {report.utilisation:.4f}"
    return "\n".join([table(rows), "", *report.faults, *waves, used, last])
