"""The main job: `slipway demo` carries one review from offer to verified report."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest

from slipway.base.errors import Exit, InvalidInput
from slipway.cli import demo
from slipway.cli import main as cli
from slipway.cli.demo.tell import Teller, receipt_of
from slipway.cli.interface import Composition
from slipway.evaluation.sandbox import tier


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY", "DJANGO"))
    }
    return subprocess.Popen(
        [sys.executable, "-m", "slipway", "demo", "--json", *words],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def processes_of(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words and entry.name != str(os.getpid()):
            found.append(words.replace("\0", " "))
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One whole demo with one attempt an item, while something else holds the port it would take."""
    missing = tier().missing
    if missing:
        pytest.skip("no sandbox here: " + "; ".join(missing))
    folder = tmp_path_factory.mktemp("demo")
    images = os.environ.get("SLIPWAY_IMAGE_CACHE") or "/var/tmp/slipway-images"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ["--exit", "--data", str(folder / "data"), "--epochs", "1", "--desk-port", str(port)]
        words += ["--gateway-port", "0", "--images", images]
        process = start(folder, *words)
        out, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors[-3000:]
    result: dict[str, Any] = json.loads(out)
    return result | {"story": errors, "folder": folder, "taken": port}


@pytest.mark.sandbox
def test_one_json_object_with_everything(told: dict[str, Any]) -> None:
    assert told["ok"] is True
    assert told["review"] == "R-1"
    assert told["verdict"] in ("covered", "not covered", "insufficient evidence")
    assert told["verification_key"].startswith("slipway.local/review+")
    assert Path(told["bundle"]).is_file()
    assert set(told["addresses"]) == {"desk", "gateway", "review"}
    assert {"site", "people", "offer", "agree", "open", "grant", "measure", "determine", "report"} < set(
        told["seconds"]
    )
    assert len({person["password"] for person in told["people"]}) == 3


@pytest.mark.sandbox
def test_a_taken_port_is_passed_over(told: dict[str, Any]) -> None:
    assert not told["addresses"]["desk"].endswith(f":{told['taken']}")


@pytest.mark.sandbox
def test_every_step_tells_receipt_and_address(told: dict[str, Any]) -> None:
    story = told["story"]
    for kind in ("review.created", "review.offered", "review.agreed", "window.opened", "grant.agreed"):
        assert f"({kind})" in story, kind
    assert story.count("look at http://127.0.0.1:") >= 9
    assert "Traceback" not in story


@pytest.mark.sandbox
def test_nothing_is_left_running(told: dict[str, Any]) -> None:
    assert processes_of(told["folder"]) == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(told["addresses"]["desk"], timeout=2)


@pytest.mark.sandbox
def test_the_bundle_verifies_elsewhere_and_a_changed_one_does_not(
    told: dict[str, Any], tmp_path: Path
) -> None:
    bundle, key = Path(told["bundle"]), told["verification_key"]
    command = [sys.executable, "-m", "slipway", "verify", "--json", "--key", key]
    good = subprocess.run([*command, str(bundle)], capture_output=True, text=True)
    assert (good.returncode, json.loads(good.stdout)["ok"]) == (0, True)
    changed = tmp_path / "changed.slipway.zip"
    with zipfile.ZipFile(bundle) as archive, zipfile.ZipFile(changed, "w") as other:
        for member in archive.infolist():
            content = archive.read(member)
            if member.filename == "report.html":
                content = content.replace(b"R-1", b"R-2")
            other.writestr(member, content)
    bad = subprocess.run([*command, str(changed)], capture_output=True, text=True)
    assert bad.returncode == Exit.INVALID
    assert json.loads(bad.stdout)["ok"] is False
    other_key = key[:-4] + ("AAA=" if not key.endswith("AAA=") else "AAE=")
    wrong = subprocess.run([*command[:-1], other_key, str(bundle)], capture_output=True, text=True)
    assert wrong.returncode != 0


def test_ctrl_c_in_the_middle_ends_every_process(tmp_path: Path) -> None:
    process = start(tmp_path, "--data", str(tmp_path / "data"), "--desk-port", "0", "--gateway-port", "0")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(" 2."):
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    deadline = time.monotonic() + 20
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(tmp_path) == []


def test_the_default_folder_is_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert demo._folder(None) == tmp_path / "demo-data"
    (tmp_path / "demo-data").mkdir()
    assert demo._folder(None) == tmp_path / "demo-data"
    (tmp_path / "demo-data" / "x").touch()
    assert demo._folder(None) == tmp_path / "demo-data-2"
    with pytest.raises(InvalidInput, match="is not empty"):
        demo._folder(tmp_path / "demo-data")
    with pytest.raises(InvalidInput, match="is not empty"):
        demo._folder(tmp_path / "demo-data" / "x")


def test_all_that_is_missing_for_a_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    demo._check_wishes("eo-14409", "starter", None, None, None)
    with pytest.raises(InvalidInput) as caught:
        demo._check_wishes("eo-14409", "starter", "models.example/v1", None, None)
    assert [p.field for p in caught.value.problems] == ["--api-key-env", "--model-name", "--model"]
    monkeypatch.delenv("NO_KEY", raising=False)
    with pytest.raises(InvalidInput, match="NO_KEY is empty"):
        demo._check_wishes("eo-14409", "starter", "https://models.example/v1", "NO_KEY", "m")


def test_the_teller_keeps_stdout_for_json(capsys: pytest.CaptureFixture[str]) -> None:
    tell = Teller(as_json=True)
    with tell.step("one", "A step") as step:
        tell.command(["review", "offer", "a b"], "Ada")
        step.receipts.append("r")
        step.look = "http://x"
    out, err = capsys.readouterr()
    assert out == ""
    assert "A step" in err
    assert "$ slipway review offer 'a b'    # Ada" in err
    assert set(tell.seconds) == {"one"}
    assert receipt_of({"receipt": {"record": "x", "type": "t"}}) == "x (t)"
    assert receipt_of({"record": "x"}) is None


def test_a_wrong_pack_and_suite_and_model_are_named_at_once_and_nothing_is_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["demo", "--data", str(tmp_path / "d"), "--pack", "nosuch", "--suite", "none", "--model", "foo"]
    assert cli.run([*words, "--json"], Composition(supervise=lambda options: 0)) == Exit.INVALID
    fields = [e["field"] for e in json.loads(capsys.readouterr().out)["error"]["errors"]]
    assert fields == ["--pack", "--suite", "--api-key-env", "--model-name", "--model"]
    assert not (tmp_path / "d").exists()


def test_a_site_that_dies_later_adds_nothing_to_the_one_json_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from slipway.cli.demo import story

    def play(self: Any) -> None:
        self.review, self.run, self.verdict, self.vkey = "R-1", "RUN-1", "covered", "k"
        self.bundle, self.addresses = tmp_path / "b", {"desk": "http://127.0.0.1:9"}

    # The story is told elsewhere in this file; here only the site's death after it counts.
    monkeypatch.delenv("SLIPWAY_DATABASE_URL", raising=False)
    monkeypatch.setattr(story.Story, "play", play)
    words = ["demo", "--data", str(tmp_path / "d"), "--desk-port", "0", "--gateway-port", "0", "--json"]
    assert cli.run(words, Composition(supervise=lambda options: 0)) == Exit.UNAVAILABLE
    out, err = capsys.readouterr()
    assert json.loads(out)["ok"] is True
    assert "slipway: the site ended by itself" in err
    assert cli.run(["demo", "--pack", "none", "--json"], Composition(supervise=lambda options: 0)) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_a_database_that_the_gateway_cannot_read_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPWAY_DATABASE_URL", "postgres://desk@127.0.0.1/desk")
    words = ["demo", "--data", str(tmp_path / "d"), "--json"]
    assert cli.run(words, Composition(supervise=lambda options: 0)) == Exit.INVALID
    (error,) = json.loads(capsys.readouterr().out)["error"]["errors"]
    assert error["field"] == "SLIPWAY_DATABASE_URL"
    assert not (tmp_path / "d").exists()
