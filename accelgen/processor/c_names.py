"""Names of a design in C: unique, no keywords, in the order of the dataflows."""

from __future__ import annotations

from collections.abc import Iterable

from accelgen.processor.design import ProcessorModel

__all__ = ["dataflow_names", "loop_names", "unique"]

_OF_C = """
auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union
unsigned void volatile while asm typeof bool true false linux unix
"""
_OF_CPP = """
alignas alignof and and_eq bitand bitor catch class compl concept constexpr const_cast decltype
delete dynamic_cast explicit export friend mutable namespace new noexcept not not_eq nullptr
operator or or_eq private protected public reinterpret_cast requires static_assert static_cast
template this thread_local throw try typeid typename using virtual wchar_t xor xor_eq
"""
# Headers are read by both.
_KEYWORDS = frozenset((_OF_C + _OF_CPP).split())


def unique(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names, changed where they are keywords, taken, or differ from another in case only."""
    used = {*_KEYWORDS, *taken}
    found = []
    for name in names:
        changed = name
        while changed.lower() in used:
            changed += "_"
        used.add(changed.lower())
        found.append(changed)
    return found


def dataflow_names(design: ProcessorModel) -> list[str]:
    """The names of the dataflows, as constants of the enum and as members of the union."""
    return unique((flow.description.name for flow in design.flows), taken=["loop"])


def loop_names(design: ProcessorModel, dataflow: int) -> list[str]:
    """The names of the workload loops of a dataflow, as fields of its struct.

    These are in their own name space: loops that differ in case only are two.
    """
    used: set[str] = set(_KEYWORDS)
    found = []
    for name in design.flows[dataflow].description.workload.loops:
        while name in used:
            name += "_"
        used.add(name)
        found.append(name)
    return found
