"""``accelgen realize``: the accelerator of a point of a joint search, with its network on it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.command import Command, add_json, print_json, stages, table
from accelgen.cli.progress import counting
from accelgen.cli.sweep import figure
from accelgen.cli.values import add_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelgen.digits.data import Digits
    from accelgen.realize.estimate import Estimate
    from accelgen.realize.gates import MeasuredEnergy
    from accelgen.realize.realize import Realised
    from accelgen.realize.run import Inferences
    from accelgen.store import Json

__all__ = ["REALIZE"]

_MICRO = 1e4
"""Nanojoules that are said in microjoules."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", metavar="RESULTS", help="the folder of a joint search")
    parser.add_argument("--point", type=int, required=True, metavar="N", help="of its front")
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="of the design (default: <RESULTS>/point_<N>)"
    )
    parser.add_argument(
        "--images", type=int, default=20, metavar="N",
        help="to run on the Verilog (default: 20; 0: build only)",
    )  # fmt: skip
    parser.add_argument(
        "--part", choices=("validation", "test"), default="validation",
        help="of the images: those that the search saw (default), or others",
    )  # fmt: skip
    parser.add_argument(
        "--liberty", nargs="+", type=Path, metavar="FILE", default=[],
        help="measure the energy of an inference on these cells and macros, at gate level",
    )  # fmt: skip
    add_seed(parser, "the simulation")
    add_json(parser)


def _realize(arguments: argparse.Namespace) -> int:
    from accelgen.digits.data import Digits, digits
    from accelgen.errors import InputError
    from accelgen.realize.point import read_point
    from accelgen.realize.realize import build, run_images

    results = Path(arguments.results)
    point, entry = read_point(results, arguments.point)
    whole = digits(arguments.part)
    if not 0 <= arguments.images <= len(whole):
        raise InputError(
            f"{arguments.images} images",
            where="--images",
            hint=f"use 0 to {len(whole)} of the {arguments.part} images",
        )
    beside = results.parent if results.is_file() else results
    folder = Path(arguments.output or beside / f"point_{arguments.point}")
    with stages(f"point {arguments.point}") as progress:
        realised = build(point, folder, progress=progress)
    figures: dict[str, object] = {"images": 0, "faults": []}
    found: Inferences | None = None
    energy: MeasuredEnergy | None = None
    if arguments.images:
        some = Digits(whole.images[: arguments.images], whole.labels[: arguments.images])
        with counting(f"point {arguments.point}", "images") as shown:
            found, figures = run_images(realised, some, seed=arguments.seed, progress=shown.step)
            shown.step(len(some), len(some))
        figures = {**figures, "accuracy_in_search": entry.get("accuracy")}
    if arguments.liberty:
        energy = _measured(arguments, realised, whole)
        figures = {**figures, "energy": _energy_json(energy)}
    good = not figures["faults"]
    if arguments.json:
        print_json({"point": arguments.point, "folder": str(folder), **figures})
    else:
        switched = _switched(realised, found)
        lines = _summary(arguments, realised, figures, entry)
        if found is not None:
            lines += _simulated(realised, found, switched)
        lines += _energy(realised, switched, energy)
        print("\n".join([*lines, f"  design     {realised.folder}"]))
    if good:
        if not arguments.liberty:
            print("energy from simulated gates: the same with --liberty CELLS", file=sys.stderr)
        print(f"next: accelgen verify {folder}", file=sys.stderr)
    return 0 if good else 1


def _measured(arguments: argparse.Namespace, realised: Realised, images: Digits) -> MeasuredEnergy:
    """Energy at gate level."""
    from accelgen.quantised.run import image_codes
    from accelgen.realize.gates import IMAGES, measure_energy

    codes = image_codes(realised.program.network, images.images[:IMAGES])
    with stages("energy") as progress:
        return measure_energy(
            realised, codes, tuple(arguments.liberty), seed=arguments.seed, progress=progress
        )


def _energy_json(energy: MeasuredEnergy) -> dict[str, object]:
    return {
        "period_ns": energy.period_ns,
        "measured_nj": energy.measured_nj,
        "estimated_nj": energy.estimated_nj,
        "activity_nj": energy.activity_nj,
        "layers": [asdict(layer) for layer in energy.layers],
    }


def _summary(
    arguments: argparse.Namespace,
    realised: Realised,
    figures: Mapping[str, object],
    entry: Mapping[str, Json],
) -> list[str]:
    found = realised.estimate
    lines = [
        f"point {arguments.point}: {entry['space']}, {entry['multiplier']}, "
        f"{len(realised.program.steps)} layers",
        f"  accuracy   {figure(entry.get('accuracy'))} ({entry.get('accuracy_from', 'unknown')})",
        f"  estimate   {found.cycles} cycles, {found.latency_us:.4g} us, "
        f"{_joules(found.energy_nj)}, {found.area_mm2:.3g} mm2 in {realised.point.technology} at "
        f"{found.period_ns:g} ns",
    ]
    if figures["images"]:
        lines.append(
            f"  images     {figures['images']} of {arguments.part} on Verilog: {figures['right']} "
            f"right; {figures['right_in_integers']} in integers, {figures['same_predictions']} the "
            "same"
        )
    return lines


def _switched(realised: Realised, found: Inferences | None) -> Estimate | None:
    """Energy of what switched in the simulation, where nothing was wrong in it."""
    from accelgen.realize.realize import activity_of

    if found is None or found.toggles is None:
        return None
    return activity_of(realised, found.toggles, len(found.predictions))


def _simulated(realised: Realised, found: Inferences, switched: Estimate | None) -> list[str]:
    """Cycles and energy of every layer, and whether all is as it should be."""
    rows: list[tuple[object, ...]] = [
        ("layer", "compute", "predicted", "total", "predicted", "estimated nJ", "activity nJ")
    ]
    for number, layer in enumerate(found.layers):
        cycles = (layer.compute, layer.predicted_compute, layer.total, layer.predicted_total)
        energies = [
            figure(one.layers_nj[number]) if one is not None else ""
            for one in (realised.estimate, switched)
        ]
        rows.append((layer.name, *cycles, *energies))
    return [
        f"  cycles     {found.cycles} simulated, {realised.program.cycles} predicted",
        table(rows, indent="  "),
        *(f"  fault      {fault}" for fault in found.faults[:10]),
        f"  {f'FAIL: {len(found.faults)} faults' if found.faults else 'PASS'}",
    ]


def _energy(
    realised: Realised, switched: Estimate | None, energy: MeasuredEnergy | None
) -> list[str]:
    """Of an inference, by all that is known of it beside the estimate."""
    said = [f"{_joules(realised.estimate.energy_nj)} estimated"]
    if switched is not None:
        said.append(f"{_joules(switched.energy_nj)} by what switched in the simulation")
    if energy is not None:
        said.append(
            f"{_joules(energy.measured_nj)} at gate level (of two images, "
            f"{_joules(energy.activity_nj)} by what switched in these)"
        )
    return [f"  energy     {', '.join(said)}"] if len(said) > 1 else []


def _joules(nj: float) -> str:
    return f"{nj:.4g} nJ" if nj < _MICRO else f"{nj / 1e3:.4g} uJ"


REALIZE = Command(
    "realize", "build a point of a joint search, and run its network on the Verilog",
    _add_arguments, _realize,
)  # fmt: skip
