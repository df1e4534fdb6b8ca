"""The space of one design: networks and formats are searched on hardware that is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelgen.names import FrozenMap
from accelgen.search.spaces.baseline import Baseline
from accelgen.search.spaces.budget import Budget
from accelgen.search.spaces.hardware import Design
from accelgen.search.vector import Gene, Reader

__all__ = ["FixedSpace"]


@dataclass(frozen=True)
class FixedSpace:
    """``baseline`` as it is, and no gene."""

    baseline: Baseline

    @property
    def budget(self) -> Budget:
        """Its own resources."""
        return self.baseline.budget

    @property
    def genes(self) -> tuple[Gene, ...]:
        """None."""
        return ()

    @property
    def reference(self) -> Design:
        """The baseline."""
        return self.decode(())

    def decode(self, vector: Sequence[float]) -> Design:
        """The baseline."""
        Reader.of(self.genes, vector)
        return Design(FrozenMap(self.baseline.values), self.baseline.hardware)
