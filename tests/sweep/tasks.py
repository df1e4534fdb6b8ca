"""Sweeps for tests, and tasks in place of the simulation; workers import them by name."""

from __future__ import annotations

import os
import time

from accelgen.errors import InputError
from accelgen.sweep import Axis, Point, Sweep
from accelgen.sweep.executors import Record

LOG = "ACCELGEN_TEST_LOG"
"""Where every evaluation writes a line: the key of its point, and the process."""


def sweep(count: int = 60, **changes: object) -> Sweep:
    """A sweep of ``count`` points, two axes."""
    values = tuple((n,) for n in range(1, count // 2 + 1))
    clocks = (("500",), ("1000.5",))
    fixed = {"network": "alexnet", "hardware": "array16_64k"}
    axes = (Axis(("array.i",), values), Axis(("clock_mhz",), clocks))
    return Sweep(**{"name": "test", "fixed": fixed, "axes": axes, **changes})  # type: ignore[arg-type]


def quick(point: Point) -> Record:
    """Figures that follow from the values; points with ``array.i`` 13 cannot be."""
    if LOG in os.environ:
        with open(os.environ[LOG], "a") as log:
            log.write(f"{point.key} {os.getpid()}\n")
    i, clock = int(str(point.values["array.i"])), float(str(point.values["clock_mhz"]))
    if i == 13:
        return {"error": "thirteen", "seconds": 0.0, "area_mm2": 13.0}
    return {
        "cycles": 1e6 / i,
        "clock_mhz": clock,
        "energy_pj": {"mac": 1e6 * clock, "sram": 3e5 * i},
        "utilisation": 1 / i,
        "area_mm2": 0.1 * i,
        "seconds": 0.0,
    }


def slow(point: Point) -> Record:
    """The same, in 20 ms."""
    time.sleep(0.02)
    return {**quick(point), "seconds": 0.02}


def buggy(point: Point) -> Record:
    """The same, with a bug at one point."""
    if point.number == 17:
        raise ZeroDivisionError("seventeen")
    return slow(point)


def mortal(point: Point) -> Record:
    """The same, but one point takes too much memory for the system's taste."""
    if point.number == 17:
        os.kill(os.getpid(), 9)
    return slow(point)


def refused(point: Point) -> Record:
    """An error of the user's is no bug of a task, but must not be raised by one either."""
    raise InputError("no")


def shapes(sizes: int = 6, **changes: object) -> Sweep:
    """All arrays with 1 to ``sizes`` units along either axis, which are interchangeable."""
    values = tuple((n,) for n in range(1, sizes + 1))
    fixed = {"network": "alexnet", "hardware": "array16_64k"}
    axes = (Axis(("array.i",), values), Axis(("array.j",), values))
    return Sweep(**{"name": "shapes", "fixed": fixed, "axes": axes, **changes})  # type: ignore[arg-type]


def symmetric(point: Point) -> Record:
    """Figures of an array by its number of units, in 5 ms; 12 of them cannot be."""
    if LOG in os.environ:
        with open(os.environ[LOG], "a") as log:
            log.write(f"{point.key} {os.getpid()}\n")
    time.sleep(0.005)
    i, j = int(str(point.values["array.i"])), int(str(point.values["array.j"]))
    units = i * j
    if units == 12:
        return {"error": f"{i} by {j} cannot be", "seconds": 0.005}
    return {
        "cycles": 1e6 / units,
        "clock_mhz": 500.0,
        "energy_pj": {"mac": 1e6, "sram": 3e5 * units},
        "utilisation": 1 / units,
        "area_mm2": 0.1 * units,
        "seconds": 0.005,
    }


def slow_symmetric(point: Point) -> Record:
    """The same, in 25 ms."""
    time.sleep(0.02)
    return symmetric(point)
