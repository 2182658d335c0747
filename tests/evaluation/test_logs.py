"""Merged logs: samples byte for byte, later ones win, torn files are refused by name."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.evaluation import logs

HEADER = {
    "version": 2,
    "status": "success",
    "eval": {"dataset": {"sample_ids": [], "samples": 0}},
    "plan": {},
    "results": {"total_samples": 0, "completed_samples": 0, "scores": [1]},
    "stats": {"model_usage": {"m": {"total_tokens": 5}}},
}


NAMES = st.sampled_from(["a.1", "b.1", "c.2", "d.3"])


def write(path: Path, samples: dict[str, bytes], *, header: bool = True) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in samples.items():
            archive.writestr(f"samples/{name}_epoch_1.json", data)
        if header:
            archive.writestr("summaries.json", json.dumps([{"id": name} for name in samples]))
            archive.writestr("header.json", json.dumps(HEADER))
    return path


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(NAMES, st.binary(max_size=300)), min_size=1, max_size=4))
def test_every_sample_is_there_once_and_unchanged(
    tmp_path_factory: pytest.TempPathFactory, shards: list[dict[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    paths = [write(folder / f"{n}.eval", samples) for n, samples in enumerate(shards)]
    expected: dict[str, bytes] = {}
    for samples in shards:
        expected |= samples
    digests = logs.merge(paths, folder / "out.eval")
    assert digests == {name: hashlib.sha256(data).hexdigest() for name, data in expected.items()}
    with zipfile.ZipFile(folder / "out.eval") as archive:
        assert archive.testzip() is None
        for name, data in expected.items():
            assert archive.read(f"samples/{name}_epoch_1.json") == data
    assert sorted(logs.samples(folder / "out.eval")) == sorted(expected)
    header = logs.read_member(folder / "out.eval", "header.json")
    assert header["results"]["total_samples"] == len(expected)
    assert header["stats"]["model_usage"]["m"]["total_tokens"] == 5 * len(shards)


def test_a_log_that_a_kill_left_without_a_header_counts_with_what_it_holds(tmp_path: Path) -> None:
    torn = write(tmp_path / "a.eval", {"a.1": b"one"}, header=False)
    whole = write(tmp_path / "b.eval", {"b.1": b"two"})
    assert set(logs.merge([torn, whole], tmp_path / "out.eval")) == {"a.1", "b.1"}
    assert set(logs.merge([torn, whole], tmp_path / "out.eval", keep={"b.1"})) == {"b.1"}


def test_what_is_no_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.eval").write_bytes(b"PK\3\4 torn")
    with pytest.raises(logs.LogUnreadable, match=r"x\.eval"):
        logs.merge([tmp_path / "x.eval"], tmp_path / "out.eval")
    with pytest.raises(ValueError, match="no log"):
        logs.merge([], tmp_path / "out.eval")


def test_a_damaged_member_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("samples/a.1_epoch_1.json", b"x" * 100)
    path.write_bytes(path.read_bytes().replace(b"x" * 100, b"x" * 99 + b"y"))
    with pytest.raises(logs.LogUnreadable, match="damaged"):
        logs.merge([path], tmp_path / "out.eval")
