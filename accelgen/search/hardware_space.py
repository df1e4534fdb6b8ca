"""The space of hardware within a budget: arrays, memories, kinds of units.

Every vector is a legal hardware file or is rejected with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import yaml

from accelgen.affine.yaml_text import Plain
from accelgen.energy import load_energies, mac_name
from accelgen.errors import InputError
from accelgen.hardware import Hardware, hardware_from
from accelgen.names import FrozenMap, unknown
from accelgen.output_file import write_whole
from accelgen.search.array_genes import ArrayGenes
from accelgen.search.baseline import Baseline
from accelgen.search.budget import Budget
from accelgen.search.describe import described
from accelgen.search.memory_genes import MemoryGenes
from accelgen.search.space import Space
from accelgen.search.vector import Gene, Reader, Rejected
from accelgen.store import Json
from accelgen.sweep.fields import Value

__all__ = ["Design", "HardwareSpace", "designed"]


@dataclass(frozen=True)
class Design:
    """A candidate's hardware, and the plain values that are its file."""

    values: FrozenMap[str, Value]
    hardware: Hardware

    def described(self) -> dict[str, int | float | str]:
        """See :func:`accelgen.search.describe.described`."""
        return described(self.hardware)

    def to_json(self) -> dict[str, Json]:
        """The values of its file."""
        return {"hardware": dict(self.values)}

    def write(self, folder: Path, name: str, comment: str) -> list[Path]:
        """Write its file, for every command that takes hardware."""
        values = {**self.values, "name": name}
        text = f"# {comment}\n" + yaml.safe_dump(
            values, sort_keys=False, default_flow_style=None, width=100
        )
        path = folder / f"hardware_{name.rpartition('_')[2]}.yaml"
        return [write_whole(path, lambda x: _put(x, text))]


@dataclass(frozen=True)
class HardwareSpace:
    """Hardware within ``budget``, on the cost model of ``baseline``.

    ``macs`` are kinds of units to choose from (formats of which the technology has figures),
    ``dram_bytes`` bandwidths of the DRAM in bytes per cycle (none: that of the baseline).
    """

    baseline: Baseline
    budget: Budget
    array: ArrayGenes
    memory: MemoryGenes
    macs: tuple[str, ...] = ()
    dram_bytes: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.macs:
            technology = self.baseline.values.get("technology")
            known = load_energies(str(technology)).macs if technology is not None else {}
            for name in self.macs:
                if mac_name(name) not in known:
                    error = unknown(name, "kind of unit of the technology", known)
                    error.where = "macs"
                    raise error
        most = self.budget.dram_bytes
        for rate in self.dram_bytes:
            if rate <= 0 or (most is not None and rate > most):
                raise InputError(
                    f"{rate:g} bytes per cycle", where="dram",
                    hint=f"use more than 0, and at most {most:g} of the budget" if most else "",
                )  # fmt: skip

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """Those of the array, of the memories, of the kind of units and of the DRAM."""
        found = [*self.array.genes, *self.memory.genes]
        if len(self.macs) > 1:
            found.append(Gene("mac", "formats that a unit multiplies"))
        if len(self.dram_bytes) > 1:
            found.append(Gene("dram", "bandwidth of the DRAM"))
        return tuple(found)

    @property
    def reference(self) -> Design:
        """The baseline."""
        return Design(FrozenMap(self.baseline.values), self.baseline.hardware)

    @property
    def sizing(self) -> Space[Design]:
        """The baseline at other sizes."""
        # Only here, because the space of sizes has designs of this module.
        from accelgen.search.sizing_space import SizingSpace

        return SizingSpace(self.baseline, self.budget)

    def decode(self, vector: Sequence[float]) -> Design | Rejected:
        """The hardware of a vector."""
        reader = Reader.of(self.genes, vector)
        values: dict[str, object] = {"name": "candidate", **self.baseline.taken}
        if self.macs:
            values.pop("mac_pj", None)
            values["formats"] = [reader.pick("mac", self.macs)]
        array = self.array.decode(reader, self.budget.units)
        values |= array
        sizes = cast("dict[str, int]", array["array"])
        units = 1
        for size in sizes.values():
            units *= size
        memories = self.memory.decode(
            reader, units, self.budget.on_chip_bytes, self.budget.link_bytes
        )
        if isinstance(memories, Rejected):
            return memories
        if "registers" in memories:
            values["registers"] = memories["registers"]
        dram = self.baseline.dram
        if self.dram_bytes:
            dram.pop("gbytes_per_second", None)
            dram["bytes_per_cycle"] = reader.pick("dram", self.dram_bytes)
        values["levels"] = [memories["level"], dram]
        return designed(cast("dict[str, Value]", values), self.budget)


def designed(values: dict[str, Value], budget: Budget) -> Design | Rejected:
    """The hardware of plain values; rejected where there is none or where it exceeds the budget."""
    try:
        hardware = hardware_from(cast("dict[str, Plain]", values))
    except InputError as error:
        return Rejected(" ".join(str(error).split()))
    excess = budget.excess(hardware)
    if excess is not None:
        return Rejected(excess)
    return Design(FrozenMap(values), hardware)


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
