"""Values by key on disk: nothing lost but what was damaged, whoever writes and dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.store import Json, Store

KIND = "test"
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, width=64)
    .filter(lambda x: abs(x) != float("inf")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
keys = st.text("abcdef0123456789.-", min_size=1, max_size=40)


@given(st.lists(st.tuples(keys, values), max_size=8))
def test_what_is_put_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[str, Json]]
) -> None:
    path = tmp_path_factory.mktemp("store") / "file"
    with Store(path, KIND) as store:
        for key, value in items:
            store.put(key, value)
    with Store(path, KIND) as again:
        assert {key: again.get(key) for key in again} == dict(items)
        assert (again.records, again.dropped) == (len(items), 0)


def filled(path: Path, count: int = 20) -> dict[str, Json]:
    items: dict[str, Json] = {f"key{n}": {"n": n, "half": n / 2} for n in range(count)}
    with Store(path, KIND) as store:
        store.put_many(items.items())
    return items


@given(st.data())
def test_a_truncated_file_keeps_what_is_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("store") / "file"
    items = filled(path)
    text = path.read_bytes()
    cut = text[: data.draw(st.integers(0, len(text)))]
    path.write_bytes(cut)
    # A line is whole when only its end is missing; the heading is no record.
    whole = [line for line in text.splitlines()[1:] if line in cut.splitlines()]
    last = cut.split(b"\n")[-1]
    torn = bool(last) and last not in text.splitlines() and b"\n" in cut
    with Store(path, KIND) as store:
        assert {key: store.get(key) for key in store} == dict(list(items.items())[: len(whole)])
        assert store.dropped == torn
        store.put("more", "after")
    with Store(path, KIND) as again:
        assert again.get("more") == "after"
        assert len(again) == len(whole) + 1
        assert again.dropped == torn


@given(st.data())
def test_a_flipped_bit_costs_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("store") / "file"
    items = filled(path)
    text = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(text) - 1))
    flipped = text[at] ^ 1 << data.draw(st.integers(0, 7))
    ends = text[at] == 10 or flipped == 10
    text[at] = flipped
    path.write_bytes(text)
    with Store(path, KIND) as store:
        found = {key: store.get(key) for key in store}
        assert found.items() <= items.items()
        assert len(found) >= len(items) - (2 if ends else 1)
        assert 1 <= store.dropped <= 2
        store.put("more", 1)
    with Store(path, KIND) as again:
        assert again.get("more") == 1
        assert len(again) == len(found) + 1


def test_a_torn_line_of_a_process_that_is_gone(tmp_path: Path) -> None:
    """A store that is open already closes what another one left, before it appends."""
    path = tmp_path / "file"
    with Store(path, KIND) as store:
        store.put("one", 1)
        with path.open("ab") as file:
            file.write(b"0123456789abcdef tw")
        store.put("three", 3)
        assert store.dropped == 1
        with Store(path, KIND) as other:
            assert list(other) == ["one", "three"]
            assert other.dropped == 1


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    for name, text in (
        ("notes", "dear diary\n"),
        ("binary", "\x00\n\x01\n"),
        ("csv", "a,b\n1,2\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(InputError, match="is no store of accelgen"):
            Store(path, KIND)
        assert path.read_text() == text


def test_a_store_of_another_kind_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "file", "mapper").close()
    with pytest.raises(InputError, match="a store of kind mapper, not test"):
        Store(tmp_path / "file", KIND)


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened: Is a directory"):
        Store(tmp_path, KIND)


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    with Store(path, KIND) as store:
        store.put("one", 1)
        before = path.read_bytes()
        write, room = os.write, [10]

        def little(file: int, data: bytes) -> int:
            if not room:
                raise OSError(28, "No space left on device")
            return write(file, data[: room.pop()])

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", little)
            with pytest.raises(InputError, match="No space left"):
                store.put("two", "x" * 100)
        assert path.read_bytes() == before
        assert "two" not in store
        store.put("three", 3)
    assert list(Store(path, KIND)) == ["one", "three"]


def test_others_are_seen_after_refresh(tmp_path: Path) -> None:
    with Store(tmp_path / "file", KIND) as one, Store(tmp_path / "file", KIND) as two:
        one.put("a", 1)
        assert "a" not in two
        assert two.refresh() == 1
        assert two.get("a") == 1
        two.put("a", 2)
        one.put("b", 3)  # reads what the other wrote before it appends
        assert (one.get("a"), one.records) == (2, 3)


def test_keys_are_words(tmp_path: Path) -> None:
    with Store(tmp_path / "file", KIND) as store:
        for key in ("", "two words", "two\nlines"):
            with pytest.raises(ValueError, match="is no key"):
                store.put(key, 1)


def _writer(store: Store, name: int, count: int) -> None:
    for n in range(count):
        store.put(f"{name}.{n}", "x" * (n % 50))


def test_many_processes_append_at_once(tmp_path: Path) -> None:
    """One of them forked with the store open, whose lock must still be its own."""
    store = Store(tmp_path / "file", KIND)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_writer, args=(store, n, 150)) for n in range(3)]
    for process in processes:
        process.start()
    _writer(store, 3, 150)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    again = Store(tmp_path / "file", KIND)
    assert (len(again), again.records, again.dropped) == (600, 600, 0)
    assert store.refresh() + 150 <= 600
    assert len(store) == 600


_KILLED = """
import sys
from accelgen.store import Store
store = Store(sys.argv[1], "test")
print("ready", flush=True)
for n in range(10**9):
    store.put(f"{sys.argv[2]}.{n}", {"n": n, "text": "y" * (n % 1000)})
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """What a killed process left is whole up to its last record, and others go on after it."""
    path = tmp_path / "file"
    for turn in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(path), str(turn)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with Store(path, KIND) as store:
        for turn in range(3):
            numbers = [int(key.split(".")[1]) for key in store if key.startswith(f"{turn}.")]
            assert numbers == list(range(len(numbers)))
            assert numbers
        assert store.dropped <= 3
