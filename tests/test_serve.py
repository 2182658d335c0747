"""The supervisor with real child processes: start, readiness, restart, giving up, ending, ports."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway import serve
from slipway.base.datadir import DataDirectory
from slipway.base.errors import Exit, InvalidInput, Refused
from slipway.cli.demo.stage import free_port
from slipway.cli.interface import UpOptions

SERVER = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def service(data: DataDirectory, code: str, name: str = "part", port: int | None = None) -> serve.Service:
    port = port or free_port(0)
    return serve.Service(
        name=name, title=name, command=[sys.executable, "-c", code, str(port)], environment={},
        address=f"http://127.0.0.1:{port}", ready_path="/", log=data.logs / f"{name}.log",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _no_database_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPWAY_DATABASE_URL", raising=False)


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path / "site").create()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Running:
    """A supervisor on a thread of the test."""

    def __init__(self, data: DataDirectory, parts: list[serve.Service]) -> None:
        self.said: list[str] = []
        self.ready = threading.Event()
        self.code: int | None = None
        self.supervisor = serve.Supervisor(data, parts, self.said.append)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.code = self.supervisor.run(self.ready.set)

    def end(self) -> int | None:
        self.supervisor.stop.set()
        self.thread.join(30)
        return self.code


def test_starts_announces_restarts_and_ends(data: DataDirectory) -> None:
    part = service(data, SERVER)
    running = Running(data, [part])
    try:
        assert running.ready.wait(30)
        first = part.process
        assert first is not None
        assert (data.run / "part.pid").read_text().strip() == str(first.pid)
        os.kill(first.pid, signal.SIGKILL)
        wait_for(
            lambda: part.process is not None and part.process is not first and part.ready, "started again"
        )
        assert any("ended by itself (signal 9)" in line for line in running.said)
    finally:
        assert running.end() == Exit.OK
    assert part.process is not None
    assert part.process.poll() is not None
    assert not (data.run / "part.pid").exists()


def test_gives_up_what_never_starts_and_says_why(data: DataDirectory) -> None:
    part = service(data, "import sys; sys.exit('the reason is here')")
    running = Running(data, [part])
    running.thread.join(30)
    assert running.code == Exit.UNAVAILABLE
    assert any("the reason is here" in line for line in running.said)


def test_one_that_is_given_up_takes_the_others_down(data: DataDirectory) -> None:
    good, bad = service(data, SERVER, "good"), service(data, "raise SystemExit(3)", "bad")
    running = Running(data, [good, bad])
    running.thread.join(30)
    assert running.code == Exit.UNAVAILABLE
    assert good.process is not None
    assert good.process.poll() is not None
    assert not running.ready.is_set()


def test_restart_waits_grow_and_are_forgiven() -> None:
    restarts = serve.Restarts()
    waits = [restarts.after(1.0, was_ready=True) for _ in range(9)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert restarts.after(61.0, was_ready=True) == 0.5
    hopeless = serve.Restarts()
    assert [hopeless.after(0.1, was_ready=False) for _ in range(3)] == [0.5, 1.0, None]


def test_every_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as first, socket.socket() as second:
        for taken in (first, second):
            taken.bind(("127.0.0.1", 0))
            taken.listen()
        options = UpOptions(tmp_path, desk_port=first.getsockname()[1], gateway_port=second.getsockname()[1])
        with pytest.raises(InvalidInput) as caught:
            serve.services(options)
    assert [problem.field for problem in caught.value.problems] == ["--desk-port", "--gateway-port"]


def test_port_zero_takes_free_ones(tmp_path: Path) -> None:
    parts = serve.services(UpOptions(tmp_path, desk_port=0, gateway_port=0))
    assert [part.name for part in parts] == ["desk", "gateway"]
    assert len({part.address for part in parts}) == 2
    assert all(not part.address.endswith(":0") for part in parts)
    assert [part.name for part in serve.services(UpOptions(tmp_path, ("gateway",), gateway_port=0))] == [
        "gateway"
    ]


def test_a_second_supervisor_is_refused(data: DataDirectory) -> None:
    with serve.only_supervisor(data):
        with pytest.raises(Refused, match=f"process {os.getpid()}"), serve.only_supervisor(data):
            pass
    with serve.only_supervisor(data):
        pass


def test_children_do_not_outlive_a_killed_supervisor(data: DataDirectory, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from slipway import serve\n"
        "from slipway.base.datadir import DataDirectory\n"
        f"part = serve.Service('p', 'p', [sys.executable, '-c', 'import time; time.sleep(600)'], {{}},"
        f" 'http://127.0.0.1:9', '/', Path({str(tmp_path)!r}) / 'p.log')\n"
        "part.start(); print(part.process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()

    def gone() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    wait_for(gone, "the child outlives its supervisor")


def test_dry_run_says_addresses_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = UpOptions(tmp_path / "site", desk_port=0, gateway_port=0, as_json=True, dry_run=True)
    assert serve.supervise(options) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["addresses"]) == {"desk", "gateway"}
    assert not (tmp_path / "site").exists()


def test_data_below_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a folder"):
        serve.supervise(UpOptions(tmp_path / "no" / "site", desk_port=0, gateway_port=0))


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("which", [("review", "gateway"), ("gateway",)])
def test_a_gateway_beside_a_desk_on_postgresql_is_refused(
    which: tuple[str, ...], dry_run: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would read the control tables of a SQLite file that nobody writes."""
    monkeypatch.setenv("SLIPWAY_DATABASE_URL", "postgres://desk@127.0.0.1/desk")
    options = UpOptions(tmp_path / "site", which, desk_port=0, gateway_port=0, dry_run=dry_run)
    with pytest.raises(InvalidInput) as caught:
        serve.supervise(options)
    (problem,) = caught.value.problems
    assert problem.field == "SLIPWAY_DATABASE_URL"
    assert "slipway up review" in problem.fix
    assert not (tmp_path / "site").exists()


def test_the_desk_alone_may_use_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPWAY_DATABASE_URL", "postgres://desk@127.0.0.1/desk")
    options = UpOptions(tmp_path / "site", ("review",), desk_port=0, dry_run=True, as_json=True)
    assert serve.supervise(options) == Exit.OK
    assert set(json.loads(capsys.readouterr().out)["addresses"]) == {"desk"}
    monkeypatch.setenv("SLIPWAY_DATABASE_URL", "mysql://desk@127.0.0.1/desk")
    with pytest.raises(InvalidInput, match="is not postgres"):
        serve.supervise(options)


@pytest.mark.parametrize("dry_run", [False, True])
def test_everything_wrong_is_named_at_once_and_nothing_is_made(
    dry_run: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run refuses what the run itself would refuse, in the same words."""
    monkeypatch.setenv("SLIPWAY_DATABASE_URL", "postgres://desk@127.0.0.1/desk")
    (tmp_path / "site").write_text("a file")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = UpOptions(
            tmp_path / "site", desk_port=taken.getsockname()[1], gateway_port=0, dry_run=dry_run
        )
        with pytest.raises(InvalidInput) as caught:
            serve.supervise(options)
    assert [p.field for p in caught.value.problems] == ["data", "SLIPWAY_DATABASE_URL", "--desk-port"]
    assert "cannot be used: Not a directory" in caught.value.problems[0].problem
    assert (tmp_path / "site").read_text() == "a file"


def test_dry_run_names_the_supervisor_that_is_there(data: DataDirectory) -> None:
    options = UpOptions(data.root, desk_port=0, gateway_port=0, dry_run=True)
    with serve.only_supervisor(data), pytest.raises(Refused, match=f"process {os.getpid()}"):
        serve.supervise(options)
    assert serve.supervise(options) == Exit.OK
