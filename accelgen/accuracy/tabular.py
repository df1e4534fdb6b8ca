"""Accuracies from a table: of the user's own, or NAS-Bench-Macro's."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from accelgen.accuracy.source import Accuracy, AccuracyKind, LayerBits
from accelgen.accuracy.wide import check_wide
from accelgen.elastic.nas_bench_macro import STAGES, NasBenchMacro
from accelgen.elastic.space import ElasticSpace
from accelgen.errors import InputError
from accelgen.names import FrozenMap, shorten, within

__all__ = ["TabularAccuracy", "load_nas_bench_macro", "load_table"]

MAX_BYTES = 256 << 20

_FORMATS = ("weights", "activations")

Key = tuple[FrozenMap[str, int], LayerBits | None]


@dataclass(frozen=True, eq=False)
class TabularAccuracy:
    """An :class:`~accelgen.accuracy.source.AccuracySource`: what ``rows`` say of the architectures
    of ``space`` in their normal form.

    A row holds for one pair of formats in all layers, or (``None``) for a network that is not
    quantised, where formats of 8 bits or more are taken as such.
    """

    space: ElasticSpace
    rows: Mapping[Key, float]
    source: str

    kind: ClassVar[AccuracyKind] = "tabular"

    @property
    def architectures(self) -> tuple[FrozenMap[str, int], ...]:
        """Those that there is a row of, each once, in the order of the rows."""
        return tuple(dict.fromkeys(architecture for architecture, _ in self.rows))

    @property
    def has_formats(self) -> bool:
        """Whether some rows hold for one pair of formats in all layers."""
        return any(bits is not None for _, bits in self.rows)

    def accuracy(self, architecture: Mapping[str, int], bits: Mapping[str, LayerBits]) -> Accuracy:
        """What the table says; :class:`InputError` when it says nothing."""
        chosen = self.space.legal(architecture)
        formats = set(bits.values())
        if len(formats) == 1 and (chosen, next(iter(formats))) in self.rows:
            return Accuracy(self.rows[chosen, next(iter(formats))], self.kind, self.source)
        if (chosen, None) not in self.rows:
            what = "with these formats" if any(key[0] == chosen for key in self.rows) else ""
            raise InputError(
                f"the architecture is not in the table {what}".rstrip(),
                where=self.source,
                hint="search the architectures and formats that it has, or add a row",
            )
        check_wide(bits, self.source)
        return Accuracy(self.rows[chosen, None], self.kind, self.source)


def load_table(path: str | Path, space: ElasticSpace) -> TabularAccuracy:
    """A table of the user's own: CSV, or JSON where the name ends in ``.json``.

    CSV has a column for every choice of ``space`` and one called ``accuracy`` (a share, 0 .. 1),
    and may have ``weights`` and ``activations``, formats of all layers.  JSON is a list of
    mappings with the same keys.  Raises :class:`InputError` with the row for anything else, and
    for two accuracies of one architecture.
    """
    where = str(path)
    text = _text(path)
    if where.endswith(".json"):
        items = _json(text, where)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise InputError("no list of mappings", where=where, hint='[{"accuracy": 0.9, ...}]')
        numbered = list(enumerate(items, start=1))
    else:
        reader = csv.DictReader(io.StringIO(text))
        numbered = [(reader.line_num, dict(row)) for row in reader]
    rows: dict[Key, float] = {}
    for number, item in numbered:
        with within(f"{where}:{number}"):
            _add(rows, *_row(item, space))
    if not rows:
        raise InputError("no rows", where=where, hint="give a row for every architecture")
    return TabularAccuracy(space, FrozenMap(rows), Path(path).name)


def load_nas_bench_macro(path: str | Path) -> TabularAccuracy:
    """NAS-Bench-Macro's ``nas-bench-macro_cifar10.json`` as it is published: by architecture (eight
    digits, the kinds of the blocks) ``mean_acc`` of three trainings, in per cent.

    Su et al., arXiv 2103.11922; github.com/xiusu/NAS-Bench-Macro.  Raises :class:`InputError` for
    anything else, and for architectures of one network with two accuracies.
    """
    where = str(path)
    items = _json(_text(path), where)
    if not isinstance(items, dict) or not items:
        raise InputError("no mapping of architectures", where=where)
    space = NasBenchMacro()
    rows: dict[Key, float] = {}
    for name, item in items.items():
        with within(f"{where}: {shorten(name)}"):
            if len(name) != sum(STAGES) or set(name) - set("012"):
                raise InputError("no architecture", hint="use eight of the digits 0, 1 and 2")
            mean = item.get("mean_acc") if isinstance(item, dict) else None
            if isinstance(mean, bool) or not isinstance(mean, int | float) or not 1 < mean <= 100:
                raise InputError(f"mean_acc {shorten(mean)}", hint="give per cent")
            chosen = {f"block{i}": int(kind) for i, kind in enumerate(name, start=1)}
            _add(rows, space.legal(chosen), None, mean / 100)
    source = f"NAS-Bench-Macro, CIFAR-10, mean of three trainings ({Path(path).name})"
    return TabularAccuracy(space, FrozenMap(rows), source)


def _row(
    item: Mapping[object, object], space: ElasticSpace
) -> tuple[FrozenMap[str, int], LayerBits | None, float]:
    values = {str(key): value for key, value in item.items()}
    if "accuracy" not in values:
        raise InputError("no accuracy", hint="add a column accuracy")
    accuracy = _number(values.pop("accuracy"), "accuracy")
    if not 0 <= accuracy <= 1:
        raise InputError(f"accuracy {accuracy}", hint="give the share of right answers, 0..1")
    formats = [values.pop(key, None) or None for key in _FORMATS]
    bits = None
    if any(formats):
        if not all(isinstance(name, str) for name in formats):
            raise InputError("formats of one operand", hint="give weights and activations")
        bits = LayerBits(str(formats[0]), str(formats[1]))
    chosen = {}
    for key, value in values.items():
        number = _number(value, key)
        if not number.is_integer():
            raise InputError(f"{shorten(value)} is no integer", where=key)
        chosen[key] = int(number)
    return space.legal(chosen), bits, accuracy


def _add(
    rows: dict[Key, float], chosen: FrozenMap[str, int], bits: LayerBits | None, accuracy: float
) -> None:
    known = rows.setdefault((chosen, bits), accuracy)
    if not math.isclose(known, accuracy, abs_tol=1e-9):
        raise InputError(
            f"{accuracy:.6g} for an architecture that has {known:.6g} above", hint="leave one out"
        )


def _number(value: object, where: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise InputError(f"{shorten(value)} is no number", where=where)
    return number


def _text(path: str | Path) -> str:
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise InputError("too large", where=str(path), hint=f"at most {MAX_BYTES} bytes")
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(reason, where=str(path), hint="give the path of a table") from None
    except UnicodeDecodeError:
        raise InputError("no text in UTF-8", where=str(path), hint="give CSV or JSON") from None


def _json(text: str, where: str) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON: {error}", where=where) from None
    return found
