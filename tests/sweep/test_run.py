"""Running sweeps: killed, interrupted, two at once, with bugs; every point once, none lost."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.errors import InfeasibleError, InputError
from accelgen.store import Store
from accelgen.sweep import BugError, Outcome, Results, run
from accelgen.sweep.alike import alike_key
from accelgen.sweep.claims import Claims
from accelgen.sweep.executors import Task
from accelgen.sweep.run import JOURNAL
from accelgen.sweep.sweep import Point
from tests.sweep import tasks

ROOT = Path(__file__).resolve().parents[2]
COUNT = 60


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv(tasks.LOG, str(path))
    return path


def evaluations(log: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in log.read_text().splitlines())


def timeless(results: Results) -> Results:
    columns = {k: v for k, v in results.columns.items() if k != "seconds"}
    return replace(results, columns=columns)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_point_is_evaluated_once(tmp_path: Path, log: Path, jobs: int) -> None:
    told: list[tuple[int, int, int]] = []
    outcome = run(
        tasks.sweep(COUNT),
        tmp_path / "journal",
        jobs=jobs,
        task=tasks.quick,
        progress=lambda *x: told.append(x),
    )
    assert (outcome.evaluated, outcome.reused, outcome.dropped) == (COUNT, 0, 0)
    assert set(evaluations(log).values()) == {1}
    assert told[0] == (0, COUNT, 0)
    assert told[-1] == (COUNT, COUNT, COUNT)
    assert [known for known, _, _ in told] == sorted(known for known, _, _ in told)
    again = run(tasks.sweep(COUNT), tmp_path / "journal", jobs=jobs, task=tasks.quick)
    assert (again.evaluated, again.reused) == (0, COUNT)
    assert again.results == outcome.results
    assert len(evaluations(log)) == COUNT
    here = run(tasks.sweep(COUNT), tmp_path / "here", jobs=1, task=tasks.quick)
    assert here.results == outcome.results


def test_a_longer_sweep_reuses_a_shorter_one(tmp_path: Path) -> None:
    run(tasks.sweep(20), tmp_path / "journal", jobs=1, task=tasks.quick)
    outcome = run(tasks.sweep(60), tmp_path / "journal", jobs=1, task=tasks.quick)
    assert (outcome.evaluated, outcome.reused) == (40, 20)


def test_points_given_twice_are_evaluated_once(tmp_path: Path, log: Path) -> None:
    given = ({"array.i": 3, "clock_mhz": "500"},) * 2
    outcome = run(
        tasks.sweep(8, given=given), tmp_path / "journal", jobs=1, task=tasks.quick
    )  # the grid has it as well
    assert len(outcome.results) == 10
    assert len(evaluations(log)) == 8
    assert set(evaluations(log).values()) == {1}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bug_names_its_point_and_keeps_the_journal(tmp_path: Path, log: Path, jobs: int) -> None:
    with pytest.raises(BugError, match=r"point 17: .*array\.i=9[^$]*ZeroDivisionError"):
        run(tasks.sweep(COUNT), tmp_path / "journal", jobs=jobs, task=tasks.buggy)
    with Store(tmp_path / "journal", JOURNAL) as store:
        kept = len(store)
    assert kept >= 8
    outcome = run(tasks.sweep(COUNT), tmp_path / "journal", jobs=jobs, task=tasks.quick)
    assert outcome.reused == kept


def test_a_killed_worker_is_an_error_that_names_the_point(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleError, match=r"killed by signal 9.*fewer --jobs") as caught:
        run(tasks.sweep(COUNT), tmp_path / "journal", jobs=2, task=tasks.mortal)
    assert caught.value.where is not None
    assert caught.value.where.startswith("point ")
    with Store(tmp_path / "journal", JOURNAL) as store:
        assert len(store) >= 8


def test_a_task_that_raises_what_it_should_return(tmp_path: Path) -> None:
    with pytest.raises(BugError, match="point 0"):
        run(tasks.sweep(4), tmp_path / "journal", jobs=1, task=tasks.refused)


RUN = """
import sys
from accelgen.sweep import run
from tests.sweep import tasks
outcome = run(tasks.sweep(int(sys.argv[2])), sys.argv[1], jobs=int(sys.argv[3]), task=tasks.slow)
print(outcome.evaluated, outcome.reused)
"""


def start(journal: Path, count: int = COUNT, jobs: int = 2) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(journal), str(count), str(jobs)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def records(journal: Path) -> int:
    return max(0, journal.read_bytes().count(b"\n") - 1) if journal.exists() else 0


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def finish(process: subprocess.Popen[str]) -> tuple[int, int]:
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    evaluated, reused = map(int, printed.split())
    return evaluated, reused


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_killed_and_started_again(tmp_path: Path, log: Path, jobs: int) -> None:
    """Nothing that was recorded is computed again, nothing is lost, and no worker lives on."""
    journal = tmp_path / "journal"
    for stop in (5, 20):
        process = start(journal, jobs=jobs)
        wait_for(lambda stop=stop: records(journal) >= stop)  # type: ignore[misc]
        kill(process)
        done = records(journal)
        time.sleep(0.3)
        last = log.stat().st_size
        time.sleep(0.1)
        assert log.stat().st_size == last
        assert records(journal) == done
    evaluated, reused = finish(start(journal, jobs=jobs))
    assert (evaluated, reused) == (COUNT - done, done)
    with Store(journal, JOURNAL) as store:
        assert (len(store), store.records, store.dropped) == (COUNT, COUNT, 0)
    counts = evaluations(log)
    assert len(counts) == COUNT
    # What was under way twice, in each process, is all that was begun more than once: a point,
    # and what had been computed in the 20 ms before.
    assert sum(counts.values()) - COUNT <= 2 * jobs * 3


def test_two_processes_share_a_journal(tmp_path: Path, log: Path) -> None:
    journal = tmp_path / "journal"
    pair = [start(journal, 100, jobs) for jobs in (1, 2)]
    done = [finish(process) for process in pair]
    assert sum(evaluated for evaluated, _ in done) == 100
    assert all(evaluated > 0 and evaluated + reused == 100 for evaluated, reused in done)
    assert set(evaluations(log).values()) == {1}
    with Store(journal, JOURNAL) as store:
        assert (len(store), store.records) == (100, 100)


@pytest.mark.slow
def test_a_killed_process_leaves_its_points_to_the_other(tmp_path: Path, log: Path) -> None:
    journal = tmp_path / "journal"
    pair = [start(journal, 100), start(journal, 100)]
    wait_for(lambda: records(journal) >= 20)
    kill(pair[0])
    finish(pair[1])
    with Store(journal, JOURNAL) as store:
        assert (len(store), store.records) == (100, 100)
    assert len(evaluations(log)) == 100


def test_points_of_others_are_waited_for(tmp_path: Path, log: Path) -> None:
    """A point that a live process has is not taken; once it is recorded, it is known."""
    journal = tmp_path / "journal"
    points = tasks.sweep(8).points()
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from accelgen.store import Store\n"
        "from accelgen.sweep.claims import Claims\n"
        "claims = Claims(Path(sys.argv[1] + '.lock'))\n"
        "assert claims.take(sys.argv[2])\n"
        "print('mine', flush=True)\n"
        "time.sleep(0.5)\n"
        "Store(sys.argv[1], 'sweep').put(sys.argv[3], {'error': 'by another', 'seconds': 1})\n"
        "claims.release(sys.argv[2])\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(journal), alike_key(points[3]), points[3].key],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == "mine\n"
    with Claims(tmp_path / "journal.lock") as claims:
        assert not claims.take(alike_key(points[3]))
        assert claims.take(alike_key(points[4]))
    outcome = run(tasks.sweep(8), journal, jobs=1, task=tasks.quick)
    other.wait()
    other.stdout.close()
    assert (outcome.evaluated, outcome.reused) == (7, 1)
    assert outcome.results.row(3)["reason"] == "by another"
    assert points[3].key not in evaluations(log)


def damaged(journal: Path, task: Task[Point], damage: Callable[[bytes], bytes]) -> Outcome:
    first = run(tasks.sweep(COUNT), journal, jobs=1, task=task)
    journal.write_bytes(damage(journal.read_bytes()))
    again = run(tasks.sweep(COUNT), journal, jobs=1, task=task)
    assert again.results == first.results
    with Store(journal, JOURNAL) as store:
        assert len(store) == COUNT
    return again


def test_a_truncated_journal(tmp_path: Path) -> None:
    outcome = damaged(tmp_path / "journal", tasks.quick, lambda data: data[: len(data) // 2])
    assert outcome.dropped == 1
    assert 0.4 * COUNT <= outcome.evaluated <= 0.6 * COUNT


def test_a_journal_with_flipped_bits(tmp_path: Path) -> None:
    def flip(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        for number in (5, 20, 40):
            lines[number] = lines[number].replace(b'"utilisation":0', b'"utilisation":1')
        return b"".join(lines)

    outcome = damaged(tmp_path / "journal", tasks.quick, flip)
    assert (outcome.dropped, outcome.evaluated) == (3, 3)


def test_a_journal_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine\n")
    with pytest.raises(InputError, match="is no store of accelgen"):
        run(tasks.sweep(4), tmp_path / "notes", task=tasks.quick)
    assert (tmp_path / "notes").read_text() == "mine\n"


def test_settings_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 processes"):
        run(tasks.sweep(4), tmp_path / "journal", jobs=0)
    with pytest.raises(InputError, match="an address without ray"):
        run(tasks.sweep(4), tmp_path / "journal", address="localhost:1")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_ray_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    local = run(tasks.sweep(COUNT), tmp_path / "local", jobs=2, task=tasks.quick)
    ray = run(tasks.sweep(COUNT), tmp_path / "ray", jobs=2, executor="ray", task=tasks.quick)
    assert ray.evaluated == COUNT
    assert timeless(ray.results) == timeless(local.results)
    with pytest.raises(BugError, match=r"point 17: [^$]*ZeroDivisionError"):
        run(tasks.sweep(COUNT), tmp_path / "bug", jobs=2, executor="ray", task=tasks.buggy)
    with Store(tmp_path / "bug", JOURNAL) as store:
        assert len(store) > 0


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "--address: nothing answers at '127.0.0.1:1'"),
        ("somewhere", "--address: 'somewhere' is no HOST:PORT; write 10.0.0.1:6379"),
        ("127.0.0.1:99999", "nothing answers"),
    ],
)
def test_addresses_where_no_ray_is(tmp_path: Path, address: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(tasks.sweep(4), tmp_path / "journal", executor="ray", address=address)
    assert message in str(caught.value)


def test_a_missing_ray_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Exception, match=r"ray is not installed; pip install 'accelgen\[ray\]'"):
        run(tasks.sweep(4), tmp_path / "journal", executor="ray", task=tasks.quick)
    assert os.path.exists(tmp_path / "journal")
