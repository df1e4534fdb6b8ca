"""The affine front end: what is computed, where and when, down to integer matrices."""

from accelgen.affine.dataflow import Dataflow
from accelgen.affine.description import Description, load_description, parse_description
from accelgen.affine.legality import Hits, check_legal, count_hits
from accelgen.affine.lowering import lower
from accelgen.affine.spacetime import SpaceTime, TensorAccess
from accelgen.affine.workload import Workload

__all__ = [
    "Dataflow",
    "Description",
    "Hits",
    "SpaceTime",
    "TensorAccess",
    "Workload",
    "check_legal",
    "count_hits",
    "load_description",
    "lower",
    "parse_description",
]
