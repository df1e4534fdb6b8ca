"""``manifest.json`` of a design whose bounds are registers: written, and read back as a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from accelgen.affine.description import parse_description
from accelgen.emit import number_facts, stream_specs
from accelgen.errors import InputError
from accelgen.manifest import MANIFEST_SCHEMA, read_manifest, stream_json
from accelgen.processor.design import ProcessorDesign, ProcessorModel
from accelgen.processor.flow import make_flows
from accelgen.processor.largest import problem_at_largest
from accelgen.processor.output_stage import Staged, form_of, plain_stage, stage_specs
from accelgen.processor.registers import ACCUMULATE, quantities_of, registers_of
from accelgen.rtl.processor.axil import register_map

__all__ = ["PROCESSOR", "dumps", "read_model", "to_json"]

PROCESSOR = "processor"
"""The ``design`` of such manifests."""


def to_json(design: ProcessorDesign) -> dict[str, object]:
    """The manifest: the stable part is that of the first dataflow at its largest bounds."""
    flows = design.flows
    first = flows[0]
    blocks = first.fabric.kernel.blocks
    return {
        "schema": MANIFEST_SCHEMA,
        "design": PROCESSOR,
        "name": design.name,
        "top": design.name,
        "verilog": [f"{design.name}.v"],
        "expression": first.description.workload.expression,
        "bounds": dict(first.description.workload.bounds),
        "streams": _streams(design),
        "predicted": _cycles(design, 0),
        "ports": {
            "clock": "clk",
            "reset": "rst",
            "busy": "busy",
            "error": "error",
            "registers": "s_axil",
            **({"bad_number": "bad_number"} if blocks else {}),
        },
        "dataflows": [
            {
                "number": number,
                "name": flow.description.name,
                "expression": flow.description.workload.expression,
                "largest": dict(flow.description.workload.bounds),
                "tensors": dict(flow.tensors),
                "predicted_at_largest": _cycles(design, number),
                "description": str(flow.description),
            }
            for number, flow in enumerate(flows)
        ],
        "registers": register_map(design.registers),
        **({"formats": _formats(design)} if design.choices else {}),
        "memories": {
            name: {
                "pages": 2,
                "banks": form.largest.memories,
                "words": form.words,
                "bits": form.element_bits,
                "moduli": list(form.moduli),
            }
            for name, form in first.run_time.forms.items()
        },
        **({"numbers": number_facts(blocks)} if blocks else {}),
        "accumulate_in": design.accumulate_in,
        **({"output_stage": asdict(design.stage)} if design.stage else {}),
        "bus_bits": first.fabric.bus_bits,
        "links": [{**asdict(linked), "gap": linked.gap} for linked in first.links],
        "passes": [record.to_json() for record in design.passes],
        "without": list(design.without),
        "latency": design.latency,
        **({"rounding_latency": design.rounding_latency} if design.rounding else {}),
        "period_ns": design.pipeline.period,
        "technology": design.technology.name,
        "generator": f"accelgen {version('accelgen')}",
    }


def read_model(directory: Path) -> ProcessorModel:
    """The model of the design in a folder, for drivers and benches.

    Raises :class:`InputError` when its manifest is none of such a design, or does not agree with
    this version of accelgen.
    """
    return read_manifest(directory, _parse)


def _parse(data: object) -> ProcessorModel:
    if not isinstance(data, dict) or data.get("design") != PROCESSOR:
        raise InputError("is not that of a design whose bounds are registers")
    try:
        descriptions = [
            parse_description(entry["description"], "manifest") for entry in data["dataflows"]
        ]
        words = {name: int(memory["words"]) for name, memory in data["memories"].items()}
        flows = make_flows(descriptions, int(data["bus_bits"]), words)
        quantities = quantities_of(flows)
        accumulate_in = bool(data.get("accumulate_in", False))
        stage = None
        if "output_stage" in data:
            made = data["output_stage"]
            stage = form_of(flows, int(made["bits"]), int(made["chunk"]))
        registers = registers_of(quantities, len(flows), accumulate_in=accumulate_in, stage=stage)
        listed = [(r["name"], r["offset"]) for r in data["registers"]["problem"]]
        model = ProcessorModel(
            str(data["name"]),
            flows,
            quantities,
            registers,
            int(data["latency"]),
            accumulate_in=accumulate_in,
            rounding_latency=int(data["rounding_latency"]) if "rounding_latency" in data else None,
            stage=stage,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", hint="generate the design again") from None
    if listed != [(register.name, register.offset) for register in registers]:
        raise InputError(
            "lists other registers than this version of accelgen makes",
            hint="generate the design again",
        )
    return model


def dumps(manifest: Mapping[str, object]) -> str:
    """The text of the file."""
    return json.dumps(manifest, indent=2) + "\n"


def _cycles(design: ProcessorModel, number: int) -> dict[str, int | None]:
    """The cycles at the largest bounds; none where the memories are too small for these."""
    problem = problem_at_largest(design, number)
    if problem is None:
        return {"compute_cycles": None, "total_cycles": None}
    cycles = problem.cycles
    return {"compute_cycles": cycles.compute_cycles, "total_cycles": cycles.total_cycles}


def _formats(design: ProcessorModel) -> dict[str, object]:
    """By register the formats that a problem chooses from: the register holds the position."""
    return {
        choice.register: {"values": list(choice.names), "default": choice.names[choice.default]}
        for choice in design.choices
    }


def _streams(design: ProcessorModel) -> list[dict[str, object]]:
    """Those of the first dataflow at its largest bounds; of an output stage that does not pool."""
    fabric = design.flows[0].fabric
    specs = stream_specs(fabric)
    if design.stage is not None:
        plain = Staged(plain_stage(design.stage, fabric.output.tensor.shape))
        parameters, residual, output = map(stream_json, stage_specs(design.stage, fabric, plain))
        return [
            *map(stream_json, specs[:-1]),
            output,
            {**parameters, "kind": "parameters"},
            {**residual, "kind": "residual"},
        ]
    found = [stream_json(spec) for spec in specs]
    if design.accumulate_in:
        name = fabric.output.tensor.name.lower()
        addend = {"kind": ACCUMULATE, "direction": "in", "prefix": f"s_axis_{name}"}
        found.append({**found[-1], **addend})
    return found
