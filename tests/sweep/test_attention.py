"""Patterns of attention as an axis of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelgen.attention.network.planned import read_plan
from accelgen.attention.network.simulation import simulate_attention
from accelgen.errors import InputError
from accelgen.hardware import hardware_from, hardware_values
from accelgen.networks import load_network
from accelgen.store import Json
from accelgen.sweep.alike import alike_key
from accelgen.sweep.evaluate import evaluate
from accelgen.sweep.load import load_sweep, parse_sweep
from accelgen.sweep.metrics import figures

TEXT = """
network: gpt2_prefill
hardware: array16_256k
set: {parameters.context: 128}
axes:
  attention: [dense, "streaming(4, 16)"]
  attention.rows: [8, 16]
"""


def test_points_are_what_simulate_finds() -> None:
    points = parse_sweep(TEXT, name="small").points()
    assert len({point.key for point in points}) == 4
    assert len({alike_key(point) for point in points}) == 4
    found = [evaluate(point) for point in points]
    for point, record in zip(points, found, strict=True):
        assert "error" not in record
        values = {
            **hardware_values("array16_256k"),
            "attention": {"rows": point.values["attention.rows"]},
        }
        network = load_network("gpt2_prefill", {"context": 128})
        plan = read_plan(str(point.values["attention"]))
        result = simulate_attention(network, hardware_from(values), plan)  # type: ignore[arg-type]
        total = result.total(sparse=True)
        assert record["cycles"] == pytest.approx(total.cycles)
        metrics: dict[str, Json] = dict(figures(record))
        assert metrics["energy_uj"] == pytest.approx(total.energy_pj / 1e6)
    dense, streaming = found[1], found[3]
    assert isinstance(dense["cycles"], float)
    assert isinstance(streaming["cycles"], float)
    assert streaming["cycles"] < dense["cycles"]


def test_the_shipped_sweep() -> None:
    points = load_sweep("llama3_8b_attention").points()
    assert len(points) == 20


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("streeming", "attention: unknown pattern or description 'streeming'"),
        ("mine.yaml", "attention: 'mine.yaml' is no pattern"),
        ("[1]", "is no pattern"),
    ],
)
def test_what_is_no_pattern(value: str, says: str, tmp_path: Path) -> None:
    text = f"network: gpt2_prefill\nhardware: array16_64k\naxes: {{attention: [{value}]}}\n"
    with pytest.raises(InputError) as caught:
        parse_sweep(text, folder=tmp_path)
    assert says in str(caught.value)


HEAD = "network: gpt2_prefill\nhardware: array16_64k\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("axes:\n  attention:\n    - dense\n    - mooba(64)\n", "sweep:6: axes"),
        (
            "axes:\n  attention, attention.rows:\n  - [dense, 8]\n  - [mooba(64), 8]\n",
            "sweep:6: axes",
        ),
        ("attention: mooba(64)\naxes: {array.i: [8]}\n", "sweep:3"),
        ("points:\n- {attention: dense}\n- {attention: mooba(64)}\n", "sweep:5: points"),
    ],
)
def test_one_misspelt_pattern_among_good_ones(text: str, place: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_sweep(HEAD + text)
    said = str(caught.value)
    assert said.startswith(f"{place}: attention: 'mooba(64)': unknown pattern 'mooba'")
    assert "did you mean 'moba'?" in said
