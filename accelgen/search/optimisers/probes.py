"""Objectives that are had by themselves, of designs that may never be evaluated.

Where some figures of a design take a small part of the time of all, as the accuracy of a network
beside the design of a kernel, they are measured of many more designs than are evaluated (decoupled
evaluations, Hernandez-Lobato et al. 2016, arxiv.org/abs/1511.05467): a model of them learns from
all of these, and what is evaluated has them as hoped.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from accelgen.errors import AccelgenError, MissingToolError
from accelgen.search.hypervolume import logarithms
from accelgen.search.optimisers.outlook import Outlook
from accelgen.search.search import Search
from accelgen.search.subject import Probed
from accelgen.sweep.metrics import is_maximised

__all__ = ["Probe", "Probes", "probes_of"]


@dataclass(frozen=True)
class Probe:
    """What was measured of designs with these ``traits`` of probes: logarithms of the
    objectives in ``columns`` of the probes, and whether these satisfy the constraints on them.
    """

    traits: tuple[float, ...]
    values: tuple[float, ...]
    feasible: bool


class Probes:
    """What was probed for a search, once for all designs that have it in common.

    ``columns`` are the objectives that are probed.
    """

    def __init__(self, search: Search, subject: Probed) -> None:
        self._subject, self._names = subject, [x for x in search.objectives if x in subject.probed]
        self.columns = [search.objectives.index(name) for name in self._names]
        self._constraints = [x for x in search.constraints if x.metric in subject.probed]
        self._found: dict[Hashable, Probe] = {}

    @property
    def found(self) -> list[Probe]:
        """All of them, in order."""
        return list(self._found.values())

    def key(self, outlook: Outlook) -> Hashable:
        """The same of designs that have what is probed in common."""
        return self._subject.probe_key(outlook.design)

    def known(self, outlook: Outlook) -> Probe | None:
        """What was measured before."""
        return self._found.get(self.key(outlook))

    def measured(self, outlook: Outlook) -> Probe:
        """What is measured now, unless it was before."""
        key = self.key(outlook)
        if key not in self._found:
            self._found[key] = self._measured(outlook)
        return self._found[key]

    def _measured(self, outlook: Outlook) -> Probe:
        traits = outlook.probe_traits
        try:
            figures = self._subject.probe(outlook.design)
        except MissingToolError:
            raise
        except AccelgenError:
            # An evaluation says why.
            return Probe(traits, (np.inf,) * len(self.columns), feasible=False)
        values = [
            np.inf if (x := figures.get(name)) is None else -x if is_maximised(name) else x
            for name in self._names
        ]
        feasible = all(x.holds(figures.get(x.metric)) for x in self._constraints)
        return Probe(traits, tuple(logarithms(np.array(values)).tolist()), feasible)


def probes_of(search: Search) -> Probes | None:
    """``None`` where the subject of a search has no objective by itself."""
    subject = search.subject
    if not isinstance(subject, Probed) or not set(subject.probed) & set(search.objectives):
        return None
    return Probes(search, subject)
