"""The data directory: secret folders are secret, a secret is written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.base.datadir import ENV, DataDirectory, write_secret
from slipway.base.errors import InvalidInput


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_create_makes_what_is_missing_and_keeps_the_rest(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "deep" / "data").create()
    (data.blobs / "kept").write_text("x")
    assert data.create() == data
    assert (data.blobs / "kept").read_text() == "x"
    for path in (data.root, data.keys, data.bench):
        assert mode(path) == 0o700
    for path in (data.head_journal.parent, data.run, data.logs):
        assert path.is_dir()
    for path in (data.desk_db, data.gateway_db, data.log_db, data.head_journal):
        assert path.is_relative_to(data.root) and not path.exists()


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "keys").mkdir(parents=True)
    (root / "keys").chmod(0o755)
    assert mode(DataDirectory(root).create().keys) == 0o700


def test_default_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV, str(tmp_path / "here"))
    assert DataDirectory.default().root == tmp_path / "here"
    monkeypatch.delenv(ENV)
    monkeypatch.chdir(tmp_path)
    assert DataDirectory.default().root == tmp_path / "slipway-data"
    assert not DataDirectory.default().root.exists()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=4096), st.integers(0, 0o777))
def test_a_secret_is_written_exactly_and_never_wider_than_0600(
    tmp_path: Path, data: bytes, umask: int
) -> None:
    path = tmp_path / "key"
    path.unlink(missing_ok=True)
    before = os.umask(umask & 0o077)  # the owner must be able to write
    try:
        write_secret(path, data)
    finally:
        os.umask(before)
    assert path.read_bytes() == data
    assert mode(path) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_an_existing_secret_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_secret(path, b"first")
    with pytest.raises(FileExistsError):
        write_secret(path, b"second")
    assert path.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_a_leftover_of_a_power_cut_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "key.new").write_bytes(b"half")
    write_secret(tmp_path / "key", b"whole")
    assert (tmp_path / "key").read_bytes() == b"whole"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_failure_leaves_no_secret_and_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space"):
        write_secret(tmp_path / "key", b"data")
    assert list(tmp_path.iterdir()) == []


def test_the_data_is_synced_before_it_gets_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that a power cut needs, seen on the real calls."""
    calls: list[str] = []
    fsync, link = os.fsync, os.link

    def seen_fsync(fd: int) -> None:
        calls.append("sync folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        fsync(fd)

    def seen_link(source: Path, target: Path) -> None:
        calls.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(os, "link", seen_link)
    write_secret(tmp_path / "key", b"data")
    assert calls == ["sync file", "link", "sync folder"]


def test_a_file_in_the_way_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    for root in (file, file / "below"):
        with pytest.raises(InvalidInput, match=r"cannot be used.*--data"):
            DataDirectory(root).create()
    assert file.read_text() == "not a folder"


@pytest.mark.parametrize("name", ["", "keys", "heads"])
def test_check_refuses_what_create_would_and_makes_nothing(name: str, tmp_path: Path) -> None:
    DataDirectory(tmp_path / "new" / "data").check()
    assert list(tmp_path.iterdir()) == []
    wrong = DataDirectory(tmp_path / "data")
    (wrong.root / name).parent.mkdir(exist_ok=True)
    (wrong.root / name).write_text("a file")
    with pytest.raises(InvalidInput) as looked:
        wrong.check()
    with pytest.raises(InvalidInput) as tried:
        wrong.create()
    assert looked.value.problems[0].field == tried.value.problems[0].field == "data"
    assert looked.value.problems[0].fix == tried.value.problems[0].fix
