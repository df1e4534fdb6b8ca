"""What the tools must be told of a cell library beside its Liberty files."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accelgen.errors import InputError

__all__ = ["KNOWN", "CellLibrary", "Liberty", "library_of", "read_liberty"]


@dataclass(frozen=True)
class CellLibrary:
    """How a library is used: which cell drives, what is tied, what is left out."""

    description: str
    driver: str
    """Cell that drives the logic, as ABC assumes it."""
    load_ff: float
    """Load of each output in femtofarads: a register's data pin."""
    target_ps: int
    """Delay ABC is asked for where speed is all: out of reach, so that it always optimises."""
    tie_high: str
    """Cell and pin of a constant one."""
    tie_low: str
    dont_use: tuple[str, ...] = ()
    buffer: str | None = None
    """Cell of the trees on nets between modules, its input and its output."""
    clock_gate: str | None = None
    """Options of Yosys' ``clockgate``: the cell that gates a clock, and its pins."""
    wire_load: str | None = None
    """The wire-load model of nets, if the library has one."""
    slew: float = 0.05
    """A typical slew, in the library's unit of time."""


KNOWN = {
    "sg13g2": CellLibrary(
        description="IHP SG13G2, 130 nm, typical corner, 1.20 V, 25 C, sg13g2_stdcell",
        driver="sg13g2_buf_2",
        load_ff=5.0,
        target_ps=50,
        tie_high="sg13g2_tiehi L_HI",
        tie_low="sg13g2_tielo L_LO",
        buffer="sg13g2_buf_4 A X",
        clock_gate="-pos sg13g2_lgcp_1 GATE:CLK:GCLK",
        wire_load="1k",
    ),
    "asap7": CellLibrary(
        description="ASAP7 predictive 7 nm, 7.5-track, RVT, TT corner, 0.70 V, 25 C",
        driver="BUFx2_ASAP7_75t_R",
        load_ff=0.6,
        target_ps=5,
        tie_high="TIEHIx1_ASAP7_75t_R H",
        tie_low="TIELOx1_ASAP7_75t_R L",
        dont_use=("*x1p*_ASAP7*", "*xp*", "SDF*", "ICG*", "DFFLQN*", "DFFASR*", "DFFHQx4*"),
        buffer="BUFx4_ASAP7_75t_R A Y",
        clock_gate="-pos ICGx1_ASAP7_75t_R ENA:CLK:GCLK -tie_lo SE",
        slew=20.0,
    ),
}
"""Libraries that entries of mapping/technology were measured on, with the settings used there."""


@dataclass(frozen=True)
class Liberty:
    """A Liberty file, unpacked: ``name`` as the user gave it, ``text`` without comments."""

    name: str
    path: Path
    text: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The names of its cells, in order."""
        return tuple(re.findall(r'^\s*cell\s*\(\s*"?([\w$]+)"?\s*\)', self.text, re.MULTILINE))

    @property
    def is_memory(self) -> bool:
        """Whether it has an SRAM macro."""
        return re.search(r"^\s*memory\s*\(\s*\)", self.text, re.MULTILINE) is not None


def read_liberty(files: Sequence[Path], folder: Path) -> list[Liberty]:
    """The files, plain or gzipped, with plain copies in ``folder``.

    Raises :class:`InputError` for one that cannot be read or has no cells.
    """
    found = []
    for number, path in enumerate(files):
        try:
            raw = path.read_bytes()
            text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("latin-1")
        except (OSError, EOFError, gzip.BadGzipFile) as error:
            said = getattr(error, "strerror", None) or error
            raise InputError(f"cannot be read: {said}", where=str(path)) from None
        copy = folder / f"{number}_{path.name.removesuffix('.gz')}"
        copy.write_text(text, encoding="latin-1")
        liberty = Liberty(path.name, copy, re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
        if not liberty.cells:
            raise InputError(
                "has no cells", where=str(path), hint="give a Liberty file (.lib or .lib.gz)"
            )
        found.append(liberty)
    return found


def library_of(files: Sequence[Liberty]) -> CellLibrary:
    """The settings for standard cells: those of a known library, else what the files say.

    Raises :class:`InputError` when something that mapping needs is not in the files.
    """
    cells = {cell for file in files for cell in file.cells}
    for known in KNOWN.values():
        if known.driver in cells:
            return known
    text = "\n".join(file.text for file in files)
    buffers = _single(text, r"[A-Za-z]\w*", many=True)
    ties = {value: _single(text, value) for value in ("1", "0")}
    for what, missing in (("buffer", not buffers), ("cell of constants", not all(ties.values()))):
        if missing:
            raise InputError(
                f"there is no {what} among the cells", where="--liberty",
                hint="give the library's standard cells",
            )  # fmt: skip
    wire = re.search(r'default_wire_load\s*:\s*"?(\w+)"?\s*;', text)
    return CellLibrary(
        description=", ".join(file.name for file in files),
        driver=buffers[min(1, len(buffers) - 1)].split()[0],
        load_ff=5.0,
        target_ps=1,
        tie_high=ties["1"][0],
        tie_low=ties["0"][0],
        wire_load=wire[1] if wire else None,
        slew=_slew(text),
    )


def _single(text: str, function: str, *, many: bool = False) -> list[str]:
    """Cells (with their pin) with one output of that function, and as many inputs as it has."""
    found = []
    for part in re.split(r"^\s*cell\s*\(", text, flags=re.MULTILINE)[1:]:
        outputs = re.findall(r'function\s*:\s*"\(?\s*([^"]*?)\s*\)?"', part)
        pins = re.findall(r"^\s*pin\s*\(\s*\"?(\w+)", part, re.MULTILINE)
        if len(outputs) == 1 and re.fullmatch(function, outputs[0]) and len(pins) == 1 + many:
            name = re.match(r'\s*"?(\w+)', part)
            driven = next((pin for pin in pins if pin != outputs[0]), None)
            if name and driven and "dont_use : true" not in part:
                found.append(f"{name[1]} {driven}")
    return found


def _slew(text: str) -> float:
    """The second point of the first axis of slews."""
    axis = re.search(r'index_1\s*\(\s*"([^"]*)"', text)
    points = [float(x) for x in re.findall(r"[\d.eE+-]+", axis[1])] if axis else [0.05]
    return points[min(1, len(points) - 1)]
