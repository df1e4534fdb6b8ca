"""What a search knows of a design before it is evaluated, for optimisers that predict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from accelgen.errors import InputError
from accelgen.search.hypervolume import logarithms
from accelgen.search.search import Search
from accelgen.search.subject import DesignLike, Foretold, Probed
from accelgen.search.vector import Gene, Rejected, Vector
from accelgen.sweep.metrics import is_maximised

__all__ = ["Outlook", "OutlookOf", "VectorOutlook", "outlook_of"]


@dataclass(frozen=True)
class Outlook:
    """Numbers that the objectives follow, and first estimates of the logarithms of the objectives
    (0: there is none); the design, where its subject foretold these, and numbers that what is
    probed of it follows (none: nothing is).
    """

    traits: tuple[float, ...]
    first: tuple[float, ...]
    design: DesignLike | None = None
    probe_traits: tuple[float, ...] = ()


OutlookOf = Callable[[Vector], Outlook | None]
"""Of the design of a vector; ``None``: it is none, or cannot be built."""


def outlook_of(search: Search) -> OutlookOf:
    """What the subject of a search foretells, or what vectors say themselves."""
    subject = search.subject
    if not isinstance(subject, Foretold):
        vectors = VectorOutlook(search.space.genes, len(search.objectives))

        def looked_at(vector: Vector) -> Outlook | None:
            return None if isinstance(search.space.decode(vector), Rejected) else vectors(vector)

        return looked_at

    foretold: Foretold = subject  # not narrowed to a class that is both
    probed = foretold if isinstance(foretold, Probed) else None
    if probed is not None and not set(probed.probed) & set(search.objectives):
        probed = None

    def outlook(vector: Vector) -> Outlook | None:
        found = search.candidate(0, vector)
        if isinstance(found, Rejected):
            return None
        try:
            forecast = subject.forecast(found.design)
        except InputError:
            return None
        first = []
        for name in search.objectives:
            # Less is better of all of them.
            value = forecast.figures.get(name)
            sign = -1.0 if is_maximised(name) else 1.0
            first.append(0.0 if value is None else float(logarithms(np.array([sign * value]))[0]))
        own = () if probed is None else tuple(probed.probe_traits(found.design).values())
        return Outlook(tuple(forecast.traits.values()), tuple(first), found.design, own)

    return outlook


class VectorOutlook:
    """The numbers of a vector, and of importances (genes that differ in what follows the last dot)
    their ranks, for only these matter.
    """

    def __init__(self, genes: Sequence[Gene], objectives: int) -> None:
        groups: dict[str, list[int]] = {}
        for number, gene in enumerate(genes):
            groups.setdefault(gene.name.rpartition(".")[0], []).append(number)
        self._groups = [group for name, group in groups.items() if "." in name and len(group) > 1]
        self._first = (0.0,) * objectives

    def __call__(self, vector: Vector) -> Outlook:
        """Of any vector: designs are not looked at."""
        numbers = np.array(vector)
        ranks = [numbers[group].argsort().argsort() for group in self._groups]
        return Outlook(tuple(np.concatenate([numbers, *ranks]).tolist()), self._first)
