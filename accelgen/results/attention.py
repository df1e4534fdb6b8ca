"""Dense attention against a pattern, for the terminal and for JSON."""

from __future__ import annotations

from dataclasses import asdict

from accelgen.attention.network.compare import AttentionLayer
from accelgen.attention.network.cost import AttentionCost
from accelgen.attention.network.simulation import ComparedResult, Totals
from accelgen.energy import load_energies
from accelgen.results.summary import figures, objective_name, padded

__all__ = ["attention_figures", "attention_rows", "attention_text"]

Rows = list[tuple[str, ...]]

_HEADING = ("attention", "x", "pattern", "density", "cycles", "limit", "uJ", "EDP/dense", "MB")
_WIDE = 36


def attention_text(found: ComparedResult) -> tuple[str, Rows, Rows, tuple[str, ...]]:
    """A heading, a row per kind of attention layer dense and sparse, totals, and lines."""
    heading = (
        f"{found.network.name} on {found.hardware.name}, attention on {_array(found)}, "
        f"dense and {found.attention.plan.name}"
    )
    rows = padded(attention_rows(found), left=("attention", "pattern", "limit"))
    totals = padded(_total_rows(found), left=("all", "attention"))
    return heading, rows, totals, tuple(_lines(found))


def attention_rows(found: ComparedResult) -> Rows:
    """Layers that are alike are one row of each kind; figures of all of them."""
    groups: dict[object, list[AttentionLayer]] = {}
    for layer in found.attention.layers:
        key = layer.part, layer.pattern, layer.dense, layer.sparse
        groups.setdefault(key, []).append(layer)
    rows: Rows = [_HEADING]
    for layers in groups.values():
        first, times = layers[0], len(layers)
        rows.append(_cost_row(first.name, times, "dense", first.dense, first.dense))
        if first.number is not None and first.sparse != first.dense:
            rows.append(_cost_row("", times, first.pattern, first.sparse, first.dense))
    return rows


def attention_figures(found: ComparedResult) -> dict[str, object]:
    """All figures as plain values, as ``accelgen simulate --attention ... --json`` prints them."""
    core = found.attention.cores[0]
    clock = found.hardware.clock_mhz
    others = None if found.rest is None else figures(found.rest)
    return {
        "network": found.network.name,
        "hardware": found.hardware.name,
        "pattern": found.attention.plan.name,
        "clock_mhz": clock,
        "array": {
            "rows": core.numerics.rows,
            "arrays": found.attention.arrays,
            "query_tiles": sorted({one.query_tiles for one in found.attention.cores}),
            "formats": list(found.hardware.attention.formats),
            "technology": found.hardware.attention.technology,
        },
        "seed": found.attention.seed if found.attention.plan.dynamic else None,
        "notes": list(found.attention.notes),
        "attention": {
            kind: {
                **_totals(found.of_attention(sparse=kind == "sparse"), clock),
                "limits": dict(found.limits(sparse=kind == "sparse")),
            }
            for kind in ("dense", "sparse")
        },
        "others": _totals(found.others, clock),
        "total": {
            kind: _totals(found.total(sparse=kind == "sparse"), clock)
            for kind in ("dense", "sparse")
        },
        "layers": [
            {
                "name": layer.name,
                "number": layer.number,
                "pattern": layer.pattern,
                "shape": asdict(layer.part.shape),
                "batch": layer.part.batch,
                "dense": _cost(layer.dense),
                "sparse": _cost(layer.sparse),
            }
            for layer in found.attention.layers
        ],
        "sources": "; ".join(_sources(found)),
        "simulated_others": others,
    }


def _cost(cost: AttentionCost) -> dict[str, object]:
    return {
        "cycles": cost.cycles,
        "energy_pj": dict(cost.energy_pj),
        "edp_pj_cycles": cost.edp,
        "dram_bytes": cost.dram_bytes,
        "limit": cost.limit,
        "limits": dict(cost.limits),
        "tiles": cost.tiles,
        "pairs": cost.pairs,
        "density": cost.density,
        "balance": cost.balance,
    }


def _totals(totals: Totals, clock_mhz: float) -> dict[str, float]:
    return {
        "cycles": totals.cycles,
        "latency_ms": totals.cycles / clock_mhz / 1e3,
        "energy_uj": totals.energy_pj / 1e6,
        "edp_pj_cycles": totals.edp,
        "dram_bytes": totals.dram_bytes,
    }


def _array(found: ComparedResult) -> str:
    core, count = found.attention.cores[0], found.attention.arrays
    rows = core.numerics.rows
    several = f"{count} arrays" if count > 1 else "an array"
    tiles = sorted({one.query_tiles for one in found.attention.cores})
    queries = f"{' or '.join(map(str, tiles))} query tile{'s' if tiles != [1] else ''}"
    return f"{several} of {rows} x {rows} with {queries} ({found.hardware.attention.text})"


def _cost_row(
    name: str, times: int, pattern: str, cost: AttentionCost, dense: AttentionCost
) -> tuple[str, ...]:
    short = pattern if len(pattern) <= _WIDE else f"{pattern[: _WIDE - 3]}..."
    return (
        name,
        str(times),
        short,
        f"{cost.density:.4f}",
        f"{times * cost.cycles:.4g}",
        cost.limit,
        f"{times * cost.total_pj / 1e6:.4g}",
        f"{cost.edp / dense.edp:.4f}",
        f"{times * cost.dram_bytes / 1e6:.4g}",
    )


def _total_rows(found: ComparedResult) -> Rows:
    rows: Rows = [("all", "attention", "cycles", "ms", "uJ", "EDP [J s]", "MB of DRAM")]
    clock = found.hardware.clock_mhz
    for what in ("attention", "network"):
        for kind in ("dense", "sparse"):
            sparse = kind == "sparse"
            totals = found.of_attention(sparse=sparse)
            if what == "network":
                totals = found.total(sparse=sparse)
            rows.append(
                (
                    what,
                    kind,
                    f"{totals.cycles:.4g}",
                    f"{totals.cycles / clock / 1e3:.4g}",
                    f"{totals.energy_pj / 1e6:.4g}",
                    f"{totals.edp / clock / 1e18:.4g}",
                    f"{totals.dram_bytes / 1e6:.4g}",
                )
            )
    return rows


def _lines(found: ComparedResult) -> list[str]:
    dense, sparse = found.total(sparse=False), found.total(sparse=True)
    lines = []
    if found.rest is None:
        lines.append("these are all layers with matrix work")
    else:
        share = found.others.cycles / sparse.cycles
        lines.append(
            f"other layers, least {objective_name(found.rest)} of each: "
            f"{found.others.cycles:.4g} cycles, {100 * share:.1f} % of all with the pattern"
        )
    lines.append(
        f"the pattern takes {sparse.cycles / dense.cycles:.3f} of the time and "
        f"{sparse.energy_pj / dense.energy_pj:.3f} of the energy of dense attention"
    )
    lines += [f"drawn tensors, not a model's: {note}" for note in found.attention.notes]
    lines.append(f"energy: {'; '.join(_sources(found))}")
    return lines


def _sources(found: ComparedResult) -> list[str]:
    buffers = load_energies(found.hardware.attention.technology).source
    given = found.hardware.sources or f"{found.hardware.name}, as given"
    said = [f"units, DRAM: {given}"]
    return [*said, f"buffers of the attention array: {buffers}"]
