"""The cache of compiled things: whole or absent, once per text, whatever else is running."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from accelgen.cache import cache_root, cached_folder, digest, prune
from accelgen.cosim.model import build_model
from accelgen.cosim.toolchain import find_toolchain


def test_the_place_follows_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_root() == tmp_path / "x" / "accelgen"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_root() == tmp_path / "home" / ".cache" / "accelgen"


def test_a_home_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert os.access(cache_root(), os.W_OK)


def test_digest_knows_where_parts_end() -> None:
    assert digest(["ab", "c"]) != digest(["a", "bc"])
    assert digest(["ab", b"c"]) == digest([b"ab", "c"])


@pytest.mark.usefixtures("empty_cache")
def test_a_failed_build_leaves_nothing() -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cached_folder("group", "key", fail)
    assert [p.name for p in (cache_root() / "group").iterdir()] == ["key.lock"]


@pytest.mark.usefixtures("empty_cache")
def test_those_who_come_at_once_build_once() -> None:
    builds: list[Path] = []
    found: list[Path] = []
    barrier = threading.Barrier(8)

    def come() -> None:
        barrier.wait()
        found.append(cached_folder("group", "key", builds.append)[0])

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.usefixtures("empty_cache")
def test_pruning_keeps_the_most_recently_used() -> None:
    for age, key in enumerate("abcd"):
        folder, _ = cached_folder("group", key, lambda _: None)
        os.utime(folder, (1000 - age, 1000 - age))
    cached_folder("group", "d", lambda _: None)
    prune("group", 2)
    assert sorted(p.name for p in (cache_root() / "group").iterdir() if p.is_dir()) == ["a", "d"]


@pytest.mark.rtl
def test_the_same_text_is_compiled_once(tmp_path: Path) -> None:
    source = tmp_path / "tiny.v"
    # A text of its own, so that the cache of this user cannot hold it yet.
    source.write_text(f"// {tmp_path} {os.getpid()}\nmodule tiny(input clk); endmodule\n")
    tools = find_toolchain()
    first = build_model(tools, [source], "tiny", ["clk"])
    again = build_model(tools, [source], "tiny", ["clk"])
    assert not first.cached
    assert again.cached
    assert again.library == first.library
    assert again.library.stat().st_size > 0
