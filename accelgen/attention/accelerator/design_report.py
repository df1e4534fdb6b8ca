"""``report.md`` of an attention accelerator."""

from __future__ import annotations

import numpy as np

from accelgen.attention.accelerator.core import SCALE_BUS, TENSORS, Core
from accelgen.attention.accelerator.datapath.exp2 import negative_exp2
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.manifest import stream_specs
from accelgen.attention.accelerator.pace import pace_of
from accelgen.attention.accelerator.predict import LayerCycles, tile_cycles
from accelgen.attention.accelerator.registers import registers
from accelgen.attention.description import AttentionDescription
from accelgen.report import section, table
from accelgen.rtl.attention.normaliser import Normaliser
from accelgen.rtl.attention.sequencer import Sequencer
from accelgen.rtl.attention.totals import chunks_of

__all__ = ["exponential_error", "full_utilisation", "memories", "write_report"]


def write_report(description: AttentionDescription, core: Core, predicted: LayerCycles) -> str:
    """The report as Markdown: the same bytes for the same design, without paths."""
    n = core.numerics
    shape = description.shape
    several = f"{core.arrays} arrays" if core.arrays > 1 else "one array"
    lines = [
        f"{several} of {n.rows} x {n.rows} cells, {core.arrays * n.rows**2} multipliers of"
        f" {n.operand_bits} x {n.element_bits} bits",
        f"heads of {n.head_dim} dimensions, values of {n.value_dim}; {core.group} query heads share"
        f" keys and values; up to {n.max_keys} keys per query",
        f"a row group is {core.query_tiles} tile{'s' * (core.query_tiles > 1)} of {n.rows} rows:"
        f" {core.tokens} query tokens of {core.group} heads",
        "formats: " + ", ".join(f"{t} {f}" for t, f in zip(TENSORS, core.formats, strict=True)),
        f"made for {shape.heads} heads, {shape.queries} queries, {shape.keys} keys",
    ]
    parts = [f"# {description.name}\n", section("Sizes", lines), _memories(core), _cycles(core)]
    parts += [_predicted(predicted), _numbers(core), _ports(core), _registers(core)]
    return "\n".join(parts)


def memories(core: Core) -> list[tuple[str, int, int, int]]:
    """Of one array: what a kind of memories holds, how many there are, their words, their bits."""
    n = core.numerics
    stored = {"q": n.operand_bits, "k": n.element_bits, "v": n.element_bits}
    tiles = {"q": core.query_tiles, "k": 1, "v": 1}
    dims = {"q": n.head_dim, "k": n.head_dim, "v": n.value_dim}
    found = []
    for tensor in TENSORS:
        words = 2 * tiles[tensor] * dims[tensor]
        found.append((f"{tensor}: two packets", n.rows, words, stored[tensor]))
        decoding = core.decoding(tensor)
        if decoding.block:
            per_beat = SCALE_BUS // decoding.scale_bits
            scales = tiles[tensor] * n.rows * dims[tensor] // decoding.block
            beats = -(-scales // per_beat)
            words = max(2, 2 << (beats - 1).bit_length())
            found.append((f"{tensor}: scales of two packets", 1, words, SCALE_BUS))
    words = max(2, core.query_tiles * chunks_of(core))
    found.append(
        ("totals: two row groups", 2 * core.outputs_per_beat, words, n.total_bits * n.rows)
    )
    found.append(("masks", 1, core.mask_slots * core.query_tiles * n.rows, n.rows))
    if core.selector is not None:
        lanes, most = core.selector.width_in, core.selector.max_scores
        words = max(2, -(-most // lanes))
        found.append(("scores of blocks", lanes, words, n.rows * n.score_bits))
        found.append(("rows that select a block", 1, most, n.rows))
    return found


def full_utilisation(core: Core) -> float:
    """Share of the cycles in which the multipliers work, of long lists without masks."""
    n = core.numerics
    return core.query_tiles * (n.head_dim + n.value_dim) / max(tile_cycles(core).values())


def exponential_error(numerics: Numerics) -> float:
    """The largest relative error of ``2**-f``, f in [0, 1), as the lanes compute it."""
    steps = 1 << numerics.score_fraction
    part = np.arange(1, steps, dtype=np.int64)
    exact = 2.0 ** (-part / steps)
    found = negative_exp2(part, numerics) / 2.0**numerics.probability_fraction
    return float(np.abs(found / exact - 1).max())


def _memories(core: Core) -> str:
    rows: list[tuple[object, ...]] = [("memories of an array", "number", "words", "bits", "in all")]
    total = 0
    for name, count, words, bits in memories(core):
        total += count * words * bits
        rows.append((name, count, words, bits, count * words * bits))
    rows.append(("all", "", "", "", total))
    return "## Memories\n\n" + table(rows)


def _cycles(core: Core) -> str:
    n = core.numerics
    found = tile_cycles(core)
    slowest = max(found, key=lambda name: found[name])
    lines = [
        f"a tile of keys takes {max(found.values())} cycles in a long list, held up by the"
        f" {slowest}: " + ", ".join(f"{name} {count}" for name, count in found.items()),
        f"array: query tiles x (head_dim + value_dim + 1) = {core.query_tiles} x"
        f" ({n.head_dim} + {n.value_dim} + 1)",
        f"softmax: query tiles x (capture {Sequencer.CAPTURE} + max(2 rows - 4, rows + 4)) ="
        f" {core.query_tiles} x {pace_of(core).softmax}",
        f"utilisation of the multipliers on full tiles: {full_utilisation(core):.4f}",
        f"results of a row group leave in {Normaliser.read_cycles(core) + Normaliser.LATENCY}"
        f" cycles, {Normaliser.row_cycles(core)} per row, while the next one is computed",
        f"a mask takes {core.query_tiles * n.rows} cycles of the scheduler, an entry one",
    ]
    return section("Cycles", lines)


def _predicted(predicted: LayerCycles) -> str:
    summaries = f", {predicted.summaries} tiles of summaries" if predicted.summaries else ""
    lines = [
        predicted.text,
        f"{predicted.tiles} tiles of keys{summaries}",
        f"compute_cycles {predicted.cycles.busy}, total_cycles {predicted.cycles.total},"
        f" utilisation {predicted.cycles.utilisation:.4f}",
    ]
    return section("Predicted", lines)


def _numbers(core: Core) -> str:
    n = core.numerics
    lines = []
    for tensor in TENSORS:
        decoding = core.decoding(tensor)
        exact = "as they are" if decoding.whole else "rounded to its grid, saturated"
        lines.append(f"{tensor}: {decoding.name} as integers of {n.element_bits} bits, {exact}")
    lines += [
        f"queries with the scale of the scores: {n.operand_bits} bits, {n.query_fraction} after the"
        " point, rounded",
        f"scores, base 2: {n.score_integer} bits before and {n.score_fraction} after the point:"
        f" rounded by at most 2**-{n.score_fraction + 1}, a factor of"
        f" 1 +- {np.log(2) * 2.0 ** -(n.score_fraction + 1):.1e} of a probability",
        f"exponential by {n.segments} lines: off by {exponential_error(n):.1e} at most",
        f"probabilities: {n.probability_fraction} bits after the point, 1 itself a unit less",
        f"sums: {n.total_bits} bits, nothing is lost but where a maximum rises (a shift)",
        f"division: by the leading {n.DIVISOR_BITS} bits of the sum, once per row",
        f"results: {n.OUTPUT_BITS} bits, {n.output_fraction} after the point of values",
    ]
    return section("Numbers", lines)


def _ports(core: Core) -> str:
    rows: list[tuple[object, ...]] = [("stream", "carries", "bits", "packet", "beats")]
    for spec in stream_specs(core):
        packet = f"{spec.shape[0]} x {spec.shape[1]} {spec.kind} of {spec.format}"
        rows.append((spec.prefix, spec.tensor, spec.bus_bits, packet, spec.beats))
    end = "_<array>" if core.arrays > 1 else ""
    rows.append((f"s_axis_list{end}", "lists of tiles", 64, "a row group", "1 and more"))
    rows.append((f"m_axis_request{end}", "tiles to be sent", 64, "a tile", 1))
    others = "`s_axil`: registers; `clk`, `rst`, `busy`, `error`, `malformed`\n"
    return "## Ports\n\n" + table(rows) + "\n" + others


def _registers(core: Core) -> str:
    rows: list[tuple[object, ...]] = [("offset", "register", "bits", "least", "most")]
    rows += [(f"0x{r.offset:03x}", r.name, r.bits, r.least, r.most) for r in registers(core)]
    return "## Registers of a problem\n\n" + table(rows)
