"""How much of a law is drawn in which tier.

The default tier must be quick; ``make test-all`` (any ``-m`` other than the default one) draws
more of the same.
"""

from __future__ import annotations

import os

__all__ = ["VARIABLE", "examples"]

VARIABLE = "ACCELGEN_TESTS"
"""Set to ``all`` by conftest.py when the slow tier runs as well."""


def examples(few: int, many: int) -> int:
    """``max_examples`` of a law: ``few`` in the default tier, ``many`` with the slow one."""
    return many if os.environ.get(VARIABLE) == "all" else few
