"""The table of docs/digits.md says what the shipped weights give, to the image."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accelgen.accuracy.measured import right_answers
from accelgen.accuracy.source import LayerBits
from accelgen.digits.data import Part, digits
from accelgen.digits.supernet import load_supernet
from accelgen.quantised.blocks import BLOCK_WEIGHTS

PAGE = Path(__file__).parents[2] / "docs" / "digits.md"
ROW = re.compile(r"^\| (\w+) \| (\d+) \| (\d) \| (\d+) \| [\d.]+ % \| (\d+) \| [\d.]+ % \|$", re.M)
ROWS = [match.groups() for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))]


BLOCKS = re.compile(r"^\| (\w+) \| (\d+), (\d+) \| (\d+), (\d+) \| (\d+), (\d+) \|$", re.M)
BLOCK_ROWS = [match.groups() for match in BLOCKS.finditer(PAGE.read_text(encoding="utf-8"))]


def test_the_table_has_three_sub_networks() -> None:
    assert {row[0] for row in ROWS} == {"smallest", "middle", "largest"}
    assert {8, 4, 2} <= {int(row[2]) for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[2]}")
def test_counts_are_those_of_the_shipped_weights(row: tuple[str, ...]) -> None:
    supernet = load_supernet()
    architecture = getattr(supernet.space, row[0])
    assert supernet.space.network(architecture).macs == int(row[1])
    bits = supernet.space.uniform(architecture, int(row[2]))
    network = supernet.quantised(architecture, bits)
    parts: tuple[Part, Part] = ("validation", "test")
    assert [right_answers(network, digits(part)) for part in parts] == [int(row[3]), int(row[4])]


def test_block_formats_of_weights_all_have_a_row() -> None:
    assert {row[0] for row in BLOCK_ROWS} == {"int8", "int4", *BLOCK_WEIGHTS}


@pytest.mark.parametrize("row", BLOCK_ROWS, ids=lambda row: str(row[0]))
def test_counts_of_weights_in_blocks_are_those_of_the_shipped_weights(row: tuple[str, ...]) -> None:
    supernet = load_supernet()
    found = []
    for name in ("smallest", "middle", "largest"):
        architecture = getattr(supernet.space, name)
        both = LayerBits(row[0], "uint8")
        bits = {layer.name: both for layer in supernet.space.layers(architecture)}
        network = supernet.quantised(architecture, bits)
        parts: tuple[Part, Part] = ("validation", "test")
        found += [right_answers(network, digits(part)) for part in parts]
    assert found == [int(count) for count in row[1:]]
