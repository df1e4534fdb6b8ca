"""The best formats of every layer under a budget, exactly: a multiple-choice knapsack.

Check, solve, verify: whether the budget can be met is known beforehand, an integer program
(PuLP with HiGHS) gives the choice, and sums are computed again from the table.  A choice that
meets the budget within the solver's tolerance only is excluded, and the program solved again.
What is minimised is least up to a millionth of the largest sum there is (the solver's tolerance).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pulp

from accelgen.bits.table import Allocation, BitTable, Option
from accelgen.errors import InfeasibleError, InputError
from accelgen.names import FrozenMap

__all__ = ["cheapest", "least_sensitive", "verify"]

_TRIES = 64
"""Choices that may be excluded because they break a budget by less than the tolerance."""

_TOLERANCE = 1e-9

Quantity = Callable[[Option], float]


def cheapest(table: BitTable, sensitivity: float) -> Allocation:
    """The allocation of least cost whose sensitivities add up to at most ``sensitivity``; of those
    of equal cost one of least sensitivity.

    Raises:
        InputError: the budget is no number from 0 up.
        InfeasibleError: the least sensitivity of all is beyond it.
    """
    found = _solve(table, _cost, _sensitivity, sensitivity, "sensitivity")
    verify(table, found, sensitivity=sensitivity)
    return found


def least_sensitive(table: BitTable, cost: float) -> Allocation:
    """The allocation of least sensitivity whose costs add up to at most ``cost``; of those of equal
    sensitivity one of least cost.  Raises as :func:`cheapest`.
    """
    found = _solve(table, _sensitivity, _cost, cost, table.measure)
    verify(table, found, cost=cost)
    return found


def verify(
    table: BitTable,
    found: Allocation,
    *,
    cost: float = math.inf,
    sensitivity: float = math.inf,
) -> None:
    """Assert that an allocation is one of the table with the sums that it says, within budget."""
    again = table.allocation(found.bits)
    assert math.isclose(again.cost, found.cost, rel_tol=1e-12), "the cost is not the sum"
    assert math.isclose(again.sensitivity, found.sensitivity, rel_tol=1e-12, abs_tol=1e-15), (
        "the sensitivity is not the sum"
    )
    assert again.cost <= cost, f"{again.cost} is beyond the budget of {cost}"
    assert again.sensitivity <= sensitivity, (
        f"{again.sensitivity} is beyond the budget of {sensitivity}"
    )


def _cost(option: Option) -> float:
    return option.cost


def _sensitivity(option: Option) -> float:
    return option.sensitivity


def _solve(
    table: BitTable, wanted: Quantity, limited: Quantity, budget: float, what: str
) -> Allocation:
    if not 0 <= budget < math.inf:
        raise InputError(f"a budget of {budget}", where=what, hint="give a number from 0 up")
    least = math.fsum(min(map(limited, layer.options)) for layer in table.layers)
    if least > budget:
        raise InfeasibleError(
            f"{least:.6g} is the least, beyond the budget of {budget:.6g}",
            where=what,
            hint=f"allow {least:.6g}, or offer more formats",
        )
    program = pulp.LpProblem("bits", pulp.LpMinimize)
    picks = [
        [program.add_variable(f"x{i}_{k}", cat=pulp.LpBinary) for k in range(len(layer.options))]
        for i, layer in enumerate(table.layers)
    ]
    # Both sums as shares of their largest: tolerances of the solver are absolute ones.
    goal, spent = _scaled(table, wanted, picks), _scaled(table, limited, picks)
    for row in picks:
        program += pulp.lpSum(row) == 1
    program += spent[0] <= budget / spent[1] + _TOLERANCE
    program.setObjective(goal[0])
    best = _within(program, picks, table, limited, budget)
    # Of those as good, one that takes least of the budget.
    reached = math.fsum(map(wanted, _options(table, best)))
    program += goal[0] <= reached / goal[1] + _TOLERANCE
    program.setObjective(spent[0])
    other = _within(program, picks, table, limited, budget)
    if math.fsum(map(wanted, _options(table, other))) <= reached:
        best = other
    return table.allocation(
        FrozenMap(
            {layer.name: layer.options[k].bits for layer, k in zip(table.layers, best, strict=True)}
        )
    )


def _scaled(
    table: BitTable, quantity: Quantity, picks: list[list[pulp.LpVariable]]
) -> tuple[pulp.LpAffineExpression, float]:
    """The sum of a quantity, and what it was divided by."""
    most = math.fsum(max(map(quantity, layer.options)) for layer in table.layers) or 1.0
    terms = [
        (quantity(option) / most) * pick
        for layer, row in zip(table.layers, picks, strict=True)
        for option, pick in zip(layer.options, row, strict=True)
    ]
    return pulp.lpSum(terms), most


def _within(
    program: pulp.LpProblem,
    picks: list[list[pulp.LpVariable]],
    table: BitTable,
    limited: Quantity,
    budget: float,
) -> list[int]:
    """The best choice that meets the budget exactly."""
    for _ in range(_TRIES):
        program.solve(
            pulp.HiGHS(msg=False, threads=1, gapRel=0.0, gapAbs=0.0, mip_feasibility_tolerance=1e-9)
        )
        assert program.status == pulp.LpStatusOptimal, pulp.LpStatus[program.status]
        found = [max(range(len(row)), key=lambda k: float(row[k].value())) for row in picks]
        if math.fsum(map(limited, _options(table, found))) <= budget:
            return found
        chosen = [row[k] for row, k in zip(picks, found, strict=True)]
        program += pulp.lpSum(chosen) <= len(chosen) - 1
    raise InfeasibleError(
        f"{_TRIES} choices are beyond the budget by rounding alone",
        where="bits",
        hint="change the budget by a millionth",
    )


def _options(table: BitTable, picks: list[int]) -> list[Option]:
    return [layer.options[k] for layer, k in zip(table.layers, picks, strict=True)]
