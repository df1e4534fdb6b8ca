"""Toggles in a VCD are those that a loop over its changes counts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import accelgen.silicon.toggles as module
from accelgen.silicon.toggles import Event, count_toggles
from accelgen.silicon.vcd import STEPS, Signal, read_header

CODES = ("!", '"', "#", "b0", "1", "0b", "~~~~")
"""Some begin as lines of values or times do."""

HEADER = """\
$version any $end
$timescale 1ns $end
$scope module outside $end
$var wire 1 ? clk $end
$scope module top $end
{declared}$scope module unit $end
$var wire 3 #  inner [2:0] $end
$upscope $end
$upscope $end
$upscope $end
$enddefinitions $end
"""

EVENTS = {
    "high": Event(("s0",), lambda one: one),
    "both": Event(("s0", "s1"), lambda one, other: one & other),
    "either": Event(("s0", "s1"), lambda one, other: one | other),
    "never": Event(("s0", "nothing"), lambda one, other: one | other),
}

Change = tuple[int, int, int]
"""Time, number of the code, value."""


def write(path: Path, widths: list[int], changes: list[Change]) -> None:
    """The changes as a VCD, values as long as their signals."""
    declared = "".join(
        f"$var wire {width} {code} s{number} $end\n"
        if width == 1
        else f"$var wire {width} {code} s{number} [{width}:1] $end\n"
        for number, (code, width) in enumerate(zip(CODES, widths, strict=False))
    )
    lines, now = [HEADER.format(declared=declared), "\n"], -1
    for time, number, value in changes:
        if time != now:
            lines.append(f"#{time}\n")
            now = time
        bits = f"{value % (1 << widths[number]):0{widths[number]}b}"
        code = CODES[number]
        lines.append(f"{bits}{code}\n" if widths[number] == 1 else f"b{bits} {code}\n")
        lines.append(f"1?\n#{time}\n")
    path.write_text("".join(lines))


def expected(
    widths: list[int], changes: list[Change], windows: list[tuple[int, int]]
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Toggles of every bit of every signal, and the cycles that its lowest is high, by window."""
    toggles = [np.zeros((width, len(windows)), np.int64) for width in widths]
    high = np.zeros((len(widths), len(windows)), np.int64)
    for number, width in enumerate(widths):
        own = [(time, value % (1 << width)) for time, n, value in changes if n == number]
        for (_, before), (time, value) in pairwise(own):
            for k, (first, end) in enumerate(windows):
                if first <= time // STEPS < end:
                    for bit in range(width):
                        toggles[number][bit, k] += (before ^ value) >> bit & 1
        until = changes[-1][0] // STEPS + 1
        for k, (first, end) in enumerate(windows):
            for cycle in range(first, min(end, until)):
                seen = [value for time, value in own if time // STEPS <= cycle]
                high[number, k] += bool(seen) and seen[-1] & 1
    return toggles, high


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_toggles_are_those_of_a_loop(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    widths = data.draw(st.lists(st.sampled_from([1, 1, 2, 3, 70]), min_size=1, max_size=7))
    # ``inner`` has the code of the third.
    widths[2:3] = [3] if len(widths) > 2 else []
    change = st.tuples(
        st.integers(0, 100), st.integers(0, len(widths) - 1), st.integers(0, (1 << 70) - 1)
    )
    changes = sorted(data.draw(st.lists(change, min_size=1, max_size=40)), key=lambda one: one[0])
    edges = sorted(data.draw(st.lists(st.integers(0, 14), min_size=0, max_size=6)))
    windows = list(zip(edges[::2], edges[1::2], strict=False))
    path = tmp_path_factory.mktemp("vcd") / "trace.vcd"
    write(path, widths, changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", data.draw(st.sampled_from([8, 100, 1 << 20])))
        found = count_toggles(path, "top", windows, EVENTS)
    toggles, high = expected(widths, changes, windows)
    names = [signals[0].name for signals in found.names]
    for number in range(len(widths)):
        net = names.index(f"s{number}")
        assert found.counts[net].tolist() == toggles[number].tolist()
    if len(widths) < 2:
        assert found.events.keys() == {("", "high")}
    else:
        # Both at once are what either has less what one alone has.
        both, either = found.events["", "both"], found.events["", "either"]
        assert (both + either).tolist() == (high[0] + high[1]).tolist()
    assert found.events["", "high"].tolist() == high[0].tolist()


def test_traces_add_up(tmp_path: Path) -> None:
    path = tmp_path / "trace.vcd"
    write(path, [1, 2], [(0, 0, 0), (0, 1, 0), (15, 0, 1), (25, 1, 3), (35, 0, 0), (45, 1, 2)])
    whole = count_toggles(path, "top", [(0, 2), (2, 3), (3, 4), (4, 5)], EVENTS)
    halves = [
        count_toggles(path, "top", windows, EVENTS)
        for windows in ([(0, 2), (2, 3)], [(3, 4), (4, 5)])
    ]
    folded, added = whole.folded(2), halves[0].plus(halves[1])
    assert folded.names == added.names
    for one, other in zip(folded.counts, added.counts, strict=True):
        assert one.tolist() == other.tolist()
    assert folded.counts[1].tolist() == [[0, 2], [0, 1]]
    assert folded.events["", "high"].tolist() == added.events["", "high"].tolist() == [1, 1]


def test_header_has_places_and_lowest_bits(tmp_path: Path) -> None:
    path = tmp_path / "trace.vcd"
    write(path, [1, 70, 3], [(0, 0, 1)])
    with path.open("rb") as file:
        header = read_header(iter(file.readline, b""), "top")
    assert header == {
        b"!": [Signal("", "s0", 1, 0)],
        b'"': [Signal("", "s1", 70, 1)],
        b"#": [Signal("", "s2", 3, 1), Signal("unit", "inner", 3, 0)],
    }


def test_windows_in_disorder_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.vcd"
    write(path, [1], [(0, 0, 1)])
    with pytest.raises(ValueError, match="not in order"):
        count_toggles(path, "top", [(0, 5), (4, 6)])


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("1!", "x!", "not known"),
        ("1!", "b1 !", "lengths"),
        ('b11 "', 'b1 "', "lengths"),
        ('b11 "', 'b1z "', "not known"),
    ],
)
def test_other_values_are_refused(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    path = tmp_path / "trace.vcd"
    write(path, [1, 2], [(0, 0, 0), (0, 1, 0), (15, 0, 1), (15, 1, 3)])
    text = path.read_text()
    assert right in text
    path.write_bytes(text.replace(right, wrong).encode())
    with pytest.raises(ValueError, match=message):
        count_toggles(path, "top", [(0, 5)])


def test_a_trace_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.vcd"
    write(path, [1], [(0, 0, 1)])
    with pytest.raises(ValueError, match="no signals of other"):
        count_toggles(path, "other", [(0, 5)])
