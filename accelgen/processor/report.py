"""``report.md`` of a design whose bounds are registers."""

from __future__ import annotations

from collections import Counter

from accelgen.fabric.together import EXACT_UNITS
from accelgen.passes.metrics import mux_inputs
from accelgen.processor.design import ProcessorDesign
from accelgen.processor.largest import problem_at_largest
from accelgen.report import passes_section, section, table
from accelgen.rtl.output_stage import OutputStage, StageForm
from accelgen.rtl.output_stage.form import MULTIPLIER_BITS

__all__ = ["write_report"]


def write_report(design: ProcessorDesign) -> str:
    """The report as Markdown: the same bytes for the same design, without paths."""
    parts = [f"# {design.name}\n", _dataflows(design), _memories(design), _array(design)]
    parts += [*_links(design), *_leaving(design), passes_section(design.passes, design.without)]
    parts += [_registers(design)]
    return "\n".join(parts)


def _dataflows(design: ProcessorDesign) -> str:
    rows: list[tuple[object, ...]] = [
        ("number", "dataflow", "expression", "largest bounds", "compute cycles", "total cycles")
    ]
    for number, flow in enumerate(design.flows):
        work = flow.description.workload
        largest = problem_at_largest(design, number)
        rows.append(
            (
                number,
                flow.description.name,
                f"`{work.expression}`",
                " ".join(f"{loop}={n}" for loop, n in work.bounds.items()),
                largest.cycles.compute_cycles if largest else "-",
                largest.cycles.total_cycles if largest else "-",
            )
        )
    units = " x ".join(map(str, design.flows[0].fabric.kernel.space_extents))
    return f"## Dataflows, on {units} units\n\n" + table(rows)


def _memories(design: ProcessorDesign) -> str:
    lines = []
    for name, form in design.flows[0].run_time.forms.items():
        memories = form.largest.memories
        bits = 2 * memories * form.words * form.element_bits
        lines.append(
            f"{name}: 2 pages of {memories} memories x {form.words} words x {form.element_bits} "
            f"bits, {bits} bits in all, banked by index modulo {' x '.join(map(str, form.moduli))}"
        )
    return section("Memories, shared by all dataflows", lines)


def _array(design: ProcessorDesign) -> str:
    pipeline = design.pipeline
    kinds = Counter(node.kind for node in pipeline.netlist.nodes)
    lines = [
        f"clock period {pipeline.period:g} ns, longest path {design.critical:.3f} ns "
        f"(estimated, technology {design.technology.name})",
        f"latency {pipeline.latency} cycles, {pipeline.bits} register bits placed by the linear "
        "program",
        f"{mux_inputs(pipeline.netlist.nodes)} inputs of multiplexers",
        "primitives: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())),
    ]
    return section("Array", lines)


def _links(design: ProcessorDesign) -> list[str]:
    lines = []
    for linked in design.flows[0].links:
        if linked.gap is None:
            how = f"by the heuristic, as beyond {EXACT_UNITS} units: no bound"
        elif linked.gap > 0:
            how = f"at most {linked.gap:.2%} above the least there is"
        else:
            how = "proven: no choice costs less"
        kind = "held" if linked.held else "streamed"
        lines.append(f"operand {linked.operand}, {kind}: {linked.cost:g}, {how}")
    title = "Links between units, chosen together (cost in registers of one bit)"
    return [section(title, lines)] if lines else []


def _leaving(design: ProcessorDesign) -> list[str]:
    plan = design.flows[0].fabric.output
    if design.stage is not None:
        return [_stage(design.stage, plan.tensor.name.lower())]
    if not design.accumulate_in:
        return []
    lanes, bits = plan.banked.layout.per_beat, plan.tensor.format.bits
    name = plan.tensor.name.lower()
    line = (
        f"{lanes} adders of {bits} bits between the output memory and m_axis_{name}: a problem "
        f"whose register accumulate is 1 adds a packet of s_axis_{name}, modulo 2^{bits}"
    )
    return [section("Accumulate-in stream", [line])]


def _stage(form: StageForm, name: str) -> str:
    lines = [
        f"sums to codes of {form.bits} bits, one per cycle: parameters of up to {form.channels} "
        f"channels from s_axis_{name}_parameters, residuals from s_axis_{name}_residual, windows "
        f"of up to {form.rows} x {form.columns}",
        f"multipliers of {MULTIPLIER_BITS} bits, {form.chunk} bits a cycle; "
        f"{OutputStage.latency(form)} cycles from the last sum to the last beat",
    ]
    return section("Output stage", lines)


def _registers(design: ProcessorDesign) -> str:
    rows: list[tuple[object, ...]] = [("offset", "register", "bits", "least", "most")]
    rows += [(f"0x{r.offset:03x}", r.name, r.bits, r.least, r.most) for r in design.registers]
    bits = sum(r.bits for r in design.registers)
    title = f"## Registers of a problem: {len(design.registers)}, {bits} bits\n\n"
    chosen = [
        f"{choice.register}: " + ", ".join(f"{k} is {name}" for k, name in enumerate(choice.names))
        for choice in design.choices
    ]
    formats = section("Formats, chosen by every problem", chosen) if chosen else ""
    return "\n".join([title + table(rows), *([formats] if formats else [])])
