"""Search of hardware within a budget: spaces, optimisers, a journal, the front.

A few lines make a search::

    from accelgen.search import load_search, run
    outcome = run(load_search("eyeriss_mobilenet_v2", evaluations=100), "found/journal")
"""

from accelgen.search.load import list_searches, load_search, make_search, parse_search
from accelgen.search.results import SearchResult
from accelgen.search.search import Search
from accelgen.search.space import Joint, Space
from accelgen.search.spaces.baseline import Baseline, load_baseline
from accelgen.search.spaces.budget import Budget, resources_of
from accelgen.search.spaces.hardware import Design, HardwareSpace
from accelgen.search.spaces.sizing import SizingSpace
from accelgen.search.study import Outcome, State, run
from accelgen.search.vector import Gene, Reader, Rejected

__all__ = [
    "Baseline",
    "Budget",
    "Design",
    "Gene",
    "HardwareSpace",
    "Joint",
    "Outcome",
    "Reader",
    "Rejected",
    "Search",
    "SearchResult",
    "SizingSpace",
    "Space",
    "State",
    "list_searches",
    "load_baseline",
    "load_search",
    "make_search",
    "parse_search",
    "resources_of",
    "run",
]
