"""From a point of a joint search to its accelerator, its program, and whole inferences on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from accelgen.digits.data import Digits
from accelgen.output_file import write_text, write_whole
from accelgen.processor.design import ProcessorDesign
from accelgen.processor.generate import generate_processor
from accelgen.processor.output_stage import parameter_words
from accelgen.quantised.run import image_codes, predictions
from accelgen.realize.activity import activity
from accelgen.realize.estimate import Estimate, estimate
from accelgen.realize.kernel import describe
from accelgen.realize.picture import draw_energies
from accelgen.realize.point import Point
from accelgen.realize.program import CODE_BITS, Program, compile_network, largest_bounds
from accelgen.realize.run import Inferences, Progress, run_program
from accelgen.silicon.toggles import Toggles

__all__ = ["NAME", "Realised", "activity_of", "build", "run_images"]

NAME = "realised"
"""The name of the design."""

PROGRAM, TENSORS, REPORT = "program.json", "program.npz", "realised.json"
"""Files beside the Verilog: steps in order, what is sent for each, what came of it."""

PICTURE = "energy.svg"


@dataclass(frozen=True, eq=False)
class Realised:
    """A design in a folder with the program that runs its network, of ``point``."""

    folder: Path
    point: Point
    design: ProcessorDesign
    program: Program
    estimate: Estimate


def build(
    point: Point,
    folder: Path,
    *,
    progress: Callable[[str], None] | None = None,
) -> Realised:
    """Generate the accelerator of a point into ``folder``, with the program of its network, and
    estimate what that takes in the point's technology at its clock.

    The folder has what :func:`accelgen.processor.generate.generate_processor` writes,
    ``program.json`` (the steps in order: registers, shapes, where tensors come from and how they
    are packed) and ``program.npz`` (weights and parameters of every step, as they are sent).

    Raises what generating raises.
    """
    network = point.network()
    bounds = largest_bounds([network], point.kernel)
    design = generate_processor(
        [describe(point.kernel, bounds, NAME)],
        folder,
        name=NAME,
        bus_bits=point.kernel.bus_bits,
        output_stage=CODE_BITS,
        progress=progress,
    )
    program = compile_network(network, point.kernel, design)
    text = json.dumps(_program_json(program, point), indent=1)
    write_text(folder / PROGRAM, f"{text}\n")
    arrays = {f"{step.layer.name}.weights": step.weights for step in program.steps}
    arrays |= {
        f"{step.layer.name}.scales": step.scales
        for step in program.steps
        if step.scales is not None
    }
    arrays |= {
        f"{step.layer.name}.parameters": parameter_words(step.layer.stage) for step in program.steps
    }

    def save(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    write_whole(folder / TENSORS, save)
    found = estimate(program, design, point.technology, point.period_ns)
    return Realised(folder, point, design, program, found)


def run_images(
    realised: Realised, images: Digits, *, seed: int = 0, progress: Progress | None = None
) -> tuple[Inferences, dict[str, object]]:
    """Run ``images`` through the Verilog, and write ``realised.json`` with what came of it, and,
    where there were no faults, ``energy.svg`` with the energy of every layer.

    Returns the inferences and the figures: accuracy on these images as simulated and as the integer
    network has it, cycles by layer as simulated and predicted, energy as estimated and, where there
    were no faults, of what switched in the simulation (``activity``).
    """
    network = realised.program.network
    codes = image_codes(network, images.images)
    (realised.folder / PICTURE).unlink(missing_ok=True)
    found = run_program(
        realised.program,
        realised.folder / f"{NAME}.v",
        codes,
        seed=seed,
        progress=progress,
    )
    reference = predictions(network, codes)
    taken = None
    if found.toggles is not None:
        taken = activity_of(realised, found.toggles, len(found.predictions))
        several = "image" if len(images) == 1 else "images"
        title = f"{network.name}, {realised.point.kernel.multiplier}, {len(images)} {several}"
        draw_energies(realised.estimate, taken, realised.folder / PICTURE, title)
    figures: dict[str, object] = {
        "schema": 1,
        "kind": "realised",
        "images": len(images),
        "right": int((found.predictions == images.labels).sum()),
        "right_in_integers": int((reference == images.labels).sum()),
        "same_predictions": int((found.predictions == reference).sum()),
        "faults": list(found.faults),
        "cycles": found.cycles,
        "cycles_predicted": realised.program.cycles,
        "layers": [{**asdict(layer), "equal": layer.equal} for layer in found.layers],
        "technology": realised.point.technology,
        "estimate": _estimate_json(realised.estimate),
        "activity": None if taken is None else _estimate_json(taken),
    }
    text = json.dumps(figures, indent=1)
    write_text(realised.folder / REPORT, f"{text}\n")
    return found, figures


def activity_of(realised: Realised, toggles: Toggles, images: int) -> Estimate:
    """What an inference takes by what switched in the simulation of so many images, a window per
    layer.
    """
    point = realised.point
    return activity(
        realised.program, realised.design, realised.estimate, toggles, images, point.technology
    )


def _program_json(program: Program, point: Point) -> dict[str, object]:
    network = program.network
    return {
        "schema": 1,
        "kind": "program",
        "network": network.name,
        "point": point.to_json(),
        "image": {
            "shape": list(network.image_shape),
            "format": str(network.image_format),
            "scale": network.image_scale,
        },
        "answer": network.layers[-1].name,
        "cycles": program.cycles,
        "steps": [
            {
                "layer": step.layer.name,
                "source": step.layer.source,
                "residual": step.layer.residual,
                "padding": list(step.layer.padding),
                "bounds": dict(step.bounds),
                "formats": dict(step.formats),
                "elements_per_word": step.count,
                "element_bits": list(step.widths),
                "registers": dict(step.problem.setting),
                "result": {
                    "shape": list(network.shapes[step.layer.name]),
                    "format": str(step.layer.output_format),
                    "scale": step.layer.output_scale,
                },
                "compute_cycles": step.problem.cycles.compute_cycles,
                "total_cycles": step.problem.cycles.total_cycles,
            }
            for step in program.steps
        ],
    }


def _estimate_json(found: Estimate) -> Mapping[str, object]:
    return {
        "period_ns": found.period_ns,
        "latency_us": found.latency_us,
        "energy_nj": found.energy_nj,
        "energy_pj": found.energy_pj,
        "area_mm2": found.area_mm2,
        "layers": [
            {"name": layer.name, "cycles": layer.cycles, "energy_pj": dict(layer.energy_pj)}
            for layer in found.layers
        ],
    }
