"""A search that takes seconds, tasks that take no time, and what the tests share."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from accelgen.search import Search, make_search
from accelgen.search.optimisers.outlook import Outlook, outlook_of
from accelgen.search.subject import Candidate
from accelgen.search.subjects.evaluate import Trial
from accelgen.search.subjects.hardware import HardwareSubject
from accelgen.store import Json
from accelgen.sweep.sources import NetworkSource

NETWORK = """\
layers:
  - {name: conv, expression: "Y[k,p,q] += X[c,p + r,q + s] * W[k,c,r,s]",
     bounds: {k: 8, c: 4, p: 6, q: 6, r: 3, s: 3}}
  - {name: fc, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 2, n: 4, k: 8}}
"""


def search(folder: Path, **changes: Any) -> Search:  # noqa: ANN401 - any key's value
    (folder / "net.yaml").write_text(NETWORK)
    values = {
        "name": "test",
        "networks": ["net.yaml"],
        "hardware": {"baseline": "nvdla_256", "budget": {"units": 16, "on_chip_bytes": 8192}},
        "evaluations": 40,
        "population": 8,
        **changes,
    }
    return make_search(values, folder)


def networks(folder: Path, names: list[str]) -> tuple[NetworkSource, ...]:
    subject = search(folder, networks=names).subject
    assert isinstance(subject, HardwareSubject)
    return subject.networks


def quick(trial: Trial) -> dict[str, Json]:
    """Figures that follow from the hardware: more units are faster, and cost more."""
    units = trial.hardware.units
    skew = len(trial.hardware.skewed)
    entry: dict[str, Json] = {
        "cycles": 1000.0 / units + skew,
        "energy_pj": {"mac": 10.0 + units},
        "utilisation": 0.5,
    }
    networks: dict[str, Json] = {source.name: entry for source in trial.networks}
    return {"clock_mhz": 1000.0, "area_mm2": None, "networks": networks, "seconds": 0.0}


def slow(trial: Trial) -> dict[str, Json]:
    time.sleep(0.05)
    return quick(trial)


def broken(trial: Trial) -> dict[str, Json]:
    raise ValueError("a bug")


def started(search: Search, place: int = 0) -> tuple[Outlook, Candidate]:
    """What is known at once of a start of a search, and its candidate."""
    start = search.space.starts[place]
    found, candidate = outlook_of(search)(start), search.candidate(0, start)
    assert found is not None
    assert isinstance(candidate, Candidate)
    return found, candidate
