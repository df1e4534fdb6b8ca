"""Colours, strokes and type of all pictures, and how they become files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from accelgen.errors import InputError
from accelgen.output_file import write_whole
from accelgen.show.scene import Kind

__all__ = [
    "COLOURS",
    "DASHED",
    "FAINT",
    "GREY",
    "INK",
    "KEPT",
    "LINE",
    "TILES",
    "check_suffix",
    "plain_settings",
    "save",
    "text_width",
    "wrap",
]

INK = "#1f2328"
GREY = "#6a737d"
LINE = "#9aa3ad"
FAINT = "#eef0f2"
KEPT = "#fdf1d3"
"""Fill of what keeps a value: registers and accumulators."""

# Okabe and Ito's palette, which readers with any colour vision tell apart, a little darkened.
COLOURS: dict[Kind, str] = {
    "port": "#24292f",
    "fallback": "#8c959f",
    "wire": "#0072b2",
    "hop": "#d55e00",
    "fifo": "#a8387b",
    "load": "#b8860b",
    "partial": "#00866a",
    "tree": "#3a8fc7",
    "drain": "#7a3e9d",
}
DASHED: frozenset[Kind] = frozenset({"fallback", "load", "drain"})

TILES = ("#8fb8de", "#f2b880", "#9fcfb4", "#d9a7c7", "#e6d27a", "#b3b3d9")
"""Colours of successive tiles, used cyclically."""

_SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.0,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.0,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "lines.solid_capstyle": "round",
    # The same figure gives the same bytes, and looks the same whatever fonts a viewer has.
    "svg.hashsalt": "accelgen",
    "svg.fonttype": "path",
}
_METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def plain_settings() -> Iterator[None]:
    """Drawing settings of this package alone, whatever the user's matplotlib is set to."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width in inches of a line of ``size`` points."""
    font = FontProperties(weight="bold" if bold else "normal")
    # Spaces at the ends have no outline: bars at both sides give them their width.
    outline = TextPath((0, 0), f"|{text}|", size=size, prop=font).get_extents().width
    bars = TextPath((0, 0), "||", size=size, prop=font).get_extents().width
    return float(outline - bars) / 72


def wrap(parts: Sequence[str], separator: str, width: float, size: float) -> list[str]:
    """Join the parts into as few lines of at most ``width`` inches as their order allows."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{separator}{part}" if lines else ""
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def check_suffix(path: Path, suffixes: Sequence[str] = (".svg", ".png")) -> None:
    """Raise :class:`InputError` unless the file name ends in one of the ``suffixes``, which are
    among ``.svg``, ``.png`` and ``.pdf``.
    """
    if path.suffix.lower() not in suffixes:
        stem = path.stem or "picture"
        raise InputError(
            f"a picture is {_either(suffixes)}, not {path.suffix or 'without suffix'}",
            where=str(path),
            hint=f"name it {_either([stem + suffix for suffix in suffixes])}",
        )


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def save(figure: Figure, path: Path) -> None:
    """Write the figure, whole or not at all; :class:`InputError` where that is impossible."""
    suffix = path.suffix.lower()
    FigureCanvasAgg(figure)

    def write(beside: Path) -> None:
        figure.savefig(
            beside, format=suffix[1:], dpi=160, facecolor="white", metadata=_METADATA[suffix]
        )

    write_whole(path, write)
