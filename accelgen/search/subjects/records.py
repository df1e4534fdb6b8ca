"""What every task records of a trial beside its figures: an error, and the time it took."""

from __future__ import annotations

import time
from collections.abc import Callable

from accelgen.errors import AccelgenError, InfeasibleError, MissingToolError
from accelgen.store import Json

__all__ = ["recorded"]

Record = dict[str, Json]


def recorded(record: Record, judge: Callable[[Record], None]) -> Record:
    """The record after ``judge`` has added to it, with ``seconds`` and ``cpu_seconds``; ``error``
    where it raised an error of accelgen's, ``infeasible`` where that says that there is no way.  A
    missing tool says nothing of the trial: it is raised.
    """
    start, busy = time.perf_counter(), time.process_time()
    try:
        judge(record)
    except MissingToolError:
        raise
    except AccelgenError as error:
        record["error"] = " ".join(str(error).split())
        if isinstance(error, InfeasibleError):
            record["infeasible"] = True
    record["seconds"] = round(time.perf_counter() - start, 6)
    record["cpu_seconds"] = round(time.process_time() - busy, 6)
    return record
