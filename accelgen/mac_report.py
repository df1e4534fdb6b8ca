"""``report.md`` of a block dot-product unit: what it computes, when, and what it costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from accelgen.golden.block_pair import BlockOperand
from accelgen.netlist.block_mac import UNIT
from accelgen.rtl.arithmetic.block_dot import BlockDot

__all__ = ["cycle_lines", "register_bits", "write_mac_report"]


def write_mac_report(name: str, unit: BlockDot) -> str:
    """The report of a unit as Markdown: the same bytes for the same unit, without paths."""
    return "\n".join(
        [
            f"# {name}\n",
            _section("Numbers", _numbers(unit)),
            _section("Cycles", cycle_lines(unit)),
            _section("Registers", _registers(unit)),
            _stages(unit),
        ]
    )


def register_bits(unit: BlockDot) -> tuple[int, int]:
    """Bits of registers between primitives, and of those inside of them (sums)."""
    nodes = unit.pipeline.netlist.nodes
    return unit.pipeline.bits, sum(node.format.bits for node in nodes if node.latency)


def cycle_lines(unit: BlockDot) -> list[str]:
    """Latency and throughput, as formulas and numbers."""
    lines = [f"throughput: {unit.lanes} products per cycle"]
    if unit.accumulate == "exact":
        return [
            *lines,
            "sums follow each other without a gap",
            f"latency: y = {unit.latency} cycles after the last elements of a sum, "
            f"the exact sum = {unit.sum_latency}",
        ]
    steps = unit.partials
    return [
        *lines,
        f"an addition takes {steps} cycles: cycle i of a sum is added to partial sum i mod {steps}",
        f"a sum of n cycles takes n + (min(n, {steps}) - 1) * {steps} cycles, "
        "for its partial sums are added up",
        f"latency: y = {unit.latency} + (min(n, {steps}) - 1) * {steps} cycles after the last "
        f"elements of a sum, at most {unit.answer_delay(steps)}",
    ]


def _numbers(unit: BlockDot) -> list[str]:
    pair = unit.pair
    lines = [
        f"{pair.a_format.name} x {pair.b_format.name}, {unit.lanes} lanes",
        *(
            _operand(name, operand)
            for name, operand in (("a", pair.a), ("b", pair.b))
            if operand.scale_range is not None
        ),
        f"a term: {pair.term.bits} bits, in units of {pair.factor} * 2**-{pair.fraction}; "
        f"{pair.factor} is for the scales of the tensors",
    ]
    if unit.accumulate == "exact":
        bits = pair.accumulator(unit.longest).bits
        lines.append(f"exact sums of up to {unit.longest} products: {bits} bits")
        lines.append(
            f"a sum of more than {pair.most_cycles(unit.longest)} cycles may wrap, "
            "and raises too_long"
        )
        lines.append(f"rounded once, to {unit.target}")
    else:
        lines.append("terms are rounded to fp32, and every addition is")
        lines.append(f"results in {unit.target}")
    lines.append("a bad scale, Inf or NaN count as zero, make y NaN and raise bad_number")
    return lines


def _operand(name: str, operand: BlockOperand) -> str:
    low, high = operand.scale_range or (0, 0)
    return f"scales of {name} that count: 2**{low} .. 2**{high}; 2**-127 is that of zeros"


def _registers(unit: BlockDot) -> list[str]:
    pipeline = unit.pipeline
    between, inside = register_bits(unit)
    greedy = pipeline.greedy_bits
    return [
        f"clock period {pipeline.period:g} ns, longest path {pipeline.critical:.3f} ns "
        f"(estimated, technology {unit.technology.name})",
        f"{between} bits placed by the linear program, {greedy} when everything is as early as "
        "possible",
        f"{inside} bits in sums",
    ]


def _stages(unit: BlockDot) -> str:
    """What is computed in which cycle."""
    positions = dict(unit.pipeline.positions)
    steps: dict[int, list[str]] = defaultdict(list)
    for node in unit.pipeline.netlist.nodes:
        if node.home == UNIT and node.kind != "wire":
            steps[positions[node.group]].append(node.name)
    rows = [f"| {cycle} | {', '.join(names)} |" for cycle, names in sorted(steps.items())]
    return "\n".join(["## Stages\n", "| cycle | steps |", "| --- | --- |", *rows, ""])


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}\n", *(f"- {line}" for line in lines), ""])
