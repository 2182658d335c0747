"""Composition root: the entry point ``slipway`` and the supervisor of one site's processes.

The supervisor starts the review desk and the gateway as child processes (a
busy desk in the gateway's own process costs it 25–48 ms a request), waits
until each answers, starts again what ends by itself, and ends all of them on
SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

from slipway.base.clock import SystemClock, format_instant
from slipway.base.datadir import ENV, DataDirectory
from slipway.base.errors import Exit, InvalidInput, ProblemList, Refused, Unavailable
from slipway.cli.interface import Composition, UpOptions
from slipway.cli.main import run
from slipway.cli.output import emit
from slipway.desk.project.settings import database

SETTINGS_MODULE = "slipway.desk.project.settings.review"
READY_SECONDS = 60.0  # first start on a slow disk: imports without byte code, keys to be made
STOP_SECONDS = 15.0  # live streams are cut and evidence is written before a process goes
LOG_LIMIT = 16 * 1024 * 1024
PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Restarts:
    """When to start a process again: after 0.5 s, then twice as long each time, at most 30 s.

    A process that stayed up for a minute is forgiven its past. One that never
    became ready ``hopeless`` times in a row is given up: starting it again
    would only hide the reason.
    """

    hopeless: int = 3
    _failures: int = 0
    _never_ready: int = 0

    def after(self, uptime: float, *, was_ready: bool) -> float | None:
        """Return the seconds to wait before the next start, None to give up."""
        self._never_ready = 0 if was_ready else self._never_ready + 1
        if self._never_ready >= self.hopeless:
            return None
        self._failures = 0 if uptime > 60 else self._failures + 1
        return float(min(30.0, 0.5 * 2 ** max(0, self._failures - 1)))


@dataclass(slots=True)
class Service:
    """One supervised process: how it is started, and how one sees that it answers."""

    name: str
    title: str
    command: list[str]
    environment: dict[str, str]
    address: str
    ready_path: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    ready: bool = False
    start_at: float = 0.0
    restarts: Restarts = field(default_factory=Restarts)

    def start(self) -> None:
        """Start the process; its output goes to its log file."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_LIMIT:
                self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Own session: Ctrl-C in the terminal reaches the supervisor alone, which then
                # ends its children in order.
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        self.started = time.monotonic()
        self.ready = False

    def answers(self) -> bool:
        """Does the process answer HTTP below its address? Any answer short of a server error is one."""
        request = urllib.request.Request(self.address + self.ready_path)  # noqa: S310 - an address of our own
        try:
            with _DIRECT.open(request, timeout=2):
                return True
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False

    def tail(self, lines: int = 12) -> str:
        """Return the end of the log, for a person who must know why it does not start."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 8192))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_LIBC = ctypes.CDLL(None, use_errno=True)


def _end_with_parent() -> None:
    # A supervisor killed with SIGKILL cannot end its children; the kernel does it then.
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _port(host: str, wanted: int, name: str, option: str, problems: ProblemList) -> int:
    """Return a port that is free now; note a problem when the one wanted is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            fix = f"end what uses it, or choose another with {option} (0 takes any free one)"
            problems.add(option, f"{host}:{wanted} for the {name} is not free ({error.strerror})", fix)
            return wanted
        return int(probe.getsockname()[1])


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def services(options: UpOptions) -> list[Service]:
    """Return what is to be started, ports chosen; raise naming every port that is taken."""
    data = DataDirectory(options.data)
    problems = ProblemList("choice of addresses")
    ports = {
        "review": (options.desk_host, options.desk_port, "review desk", "--desk-port"),
        "gateway": (options.gateway_host, options.gateway_port, "gateway", "--gateway-port"),
    }
    chosen = {name: _port(*ports[name], problems) for name in options.which}
    problems.raise_if_any()
    gateway_url = _url(options.gateway_host, chosen.get("gateway", options.gateway_port))
    environment = {
        ENV: str(data.root),
        "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
        "SLIPWAY_GATEWAY": gateway_url,
        "PYTHONUNBUFFERED": "1",
    }
    found = []
    if "review" in options.which:
        host, port = options.desk_host, chosen["review"]
        found.append(
            Service(
                name="desk",
                title="review desk",
                command=[
                    sys.executable, "-m", "uvicorn", "slipway.desk.project.asgi:application",
                    "--host", host, "--port", str(port), "--no-access-log", "--no-server-header",
                    "--timeout-graceful-shutdown", "5", "--lifespan", "on",
                ],
                environment=environment | {"SLIPWAY_DESK": _url(host, port)},
                address=_url(host, port),
                ready_path="/api/v1/me",
                log=data.logs / "desk.log",
            )
        )  # fmt: skip
    if "gateway" in options.which:
        host, port = options.gateway_host, chosen["gateway"]
        found.append(
            Service(
                name="gateway",
                title="gateway",
                command=[
                    sys.executable, "-m", "slipway.gateway", "--data", str(data.root),
                    "--host", host, "--port", str(port),
                ],
                environment=environment,
                address=gateway_url,
                ready_path="/v1/models",
                log=data.logs / "gateway.log",
            )
        )  # fmt: skip
    return found


def migrate(data: DataDirectory) -> None:
    """Bring the desk's database up to date; raise with the reason when that fails."""
    # In a process of its own: Django in the supervisor would triple its memory for nothing.
    command = [sys.executable, "-c", "from slipway.desk.project.manage import migrate; migrate()"]
    environment = os.environ | {ENV: str(data.root), "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"the database of {data.root} could not be brought up to date: {reason}")


def _already_served(data: DataDirectory, file: IO[str]) -> Refused:
    file.seek(0)
    pid = file.read().strip() or "?"
    return Refused(f"{data.root} is already served by process {pid}; end it first, or choose another --data")


def _refuse_second(data: DataDirectory) -> None:
    """Refuse when another supervisor holds the data directory, without taking the lock for longer."""
    with contextlib.suppress(FileNotFoundError), (data.run / "supervisor.pid").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _already_served(data, file) from None


@contextlib.contextmanager
def only_supervisor(data: DataDirectory) -> Iterator[None]:
    """Hold the lock of a data directory's supervisor, its pid inside; refuse a second one."""
    path = data.run / "supervisor.pid"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _already_served(data, file) from None
        _write_pid(file, os.getpid())
        try:
            yield
        finally:
            file.truncate(0)


def _write_pid(file: IO[str], pid: int) -> None:
    file.seek(0)
    file.truncate()
    file.write(f"{pid}\n")
    file.flush()


class Supervisor:
    """Runs services until told to stop."""

    def __init__(self, data: DataDirectory, parts: list[Service], say: Callable[[str], None]) -> None:
        self.data = data
        self.parts = parts
        self.say = say
        self.stop = threading.Event()

    def run(self, ready: Callable[[], None]) -> Exit:
        """Start everything, call ``ready`` once all answer, and watch until :attr:`stop` is set."""
        try:
            for part in self.parts:
                self._start(part)
            announced = False
            while not self.stop.wait(0.1):
                if not self._watch():
                    return Exit.UNAVAILABLE
                if not announced and all(part.ready for part in self.parts):
                    announced = True
                    ready()
            return Exit.OK
        finally:
            self._end_all()

    def _start(self, part: Service) -> None:
        part.start()
        if part.process is not None:
            (self.data.run / f"{part.name}.pid").write_text(f"{part.process.pid}\n")

    def _watch(self) -> bool:
        """Look at every process once; return False when one is given up."""
        now = time.monotonic()
        for part in self.parts:
            if part.process is None:
                if now >= part.start_at:
                    self._start(part)
                continue
            code = part.process.poll()
            if code is None and not part.ready:
                part.ready = part.answers()
                if not part.ready and now - part.started > READY_SECONDS:
                    self.say(f"the {part.title} did not answer within {READY_SECONDS:.0f} s; ending it")
                    part.process.terminate()
                    code = part.process.wait()
            if code is None:
                continue
            wait = part.restarts.after(now - part.started, was_ready=part.ready)
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            if wait is None:
                self.say(f"the {part.title} does not start ({how}); the end of {part.log}:\n{part.tail()}")
                return False
            self.say(f"the {part.title} ended by itself ({how}); starting it again in {wait:.1f} s")
            part.process, part.ready, part.start_at = None, False, now + wait
        return True

    def _end_all(self) -> None:
        """End the gateway first: its last evidence still reaches a running desk's log."""
        for part in reversed(self.parts):
            process = part.process
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    self.say(f"the {part.title} did not end within {STOP_SECONDS:.0f} s and was killed")
                    process.kill()
                    process.wait()
            (self.data.run / f"{part.name}.pid").unlink(missing_ok=True)


def _say(text: str) -> None:
    print(f"{format_instant(SystemClock().now())} slipway: {text}", file=sys.stderr, flush=True)


def _prepare(options: UpOptions) -> list[Service]:
    """Return what is to be started; raise everything that can be known to be wrong. Changes nothing."""
    problems = ProblemList("slipway up")
    data, parent = DataDirectory(options.data), options.data.parent
    parts: list[Service] = []
    if not parent.is_dir():
        fix = f"make {parent} first, or choose another folder"
        problems.add("--data", f"{parent} is not a folder", fix)
    else:
        _collect(problems, data.check)
    _collect(problems, lambda: _check_database(options))
    _collect(problems, lambda: parts.extend(services(options)))
    problems.raise_if_any()
    _refuse_second(data)
    return parts


def _collect(problems: ProblemList, check: Callable[[], None]) -> None:
    try:
        check()
    except InvalidInput as error:
        problems.extend(error.problems)


def _check_database(options: UpOptions) -> None:
    """Refuse a database that the processes asked for cannot work with."""
    problem = database.gateway_problem() if "gateway" in options.which else None
    if problem is not None:
        raise InvalidInput([problem], what="settings")
    database.from_environment(str(options.data))


def supervise(options: UpOptions) -> int:
    """Run the processes of one site until SIGTERM or Ctrl-C; return the exit code."""
    parts = _prepare(options)
    addresses = {part.name: part.address for part in parts}
    if options.dry_run:
        _print_ready(options, {"dry_run": True, "addresses": addresses, "data": str(options.data)})
        return Exit.OK
    data = DataDirectory(options.data).create()
    with only_supervisor(data):
        migrate(data)
        supervisor = Supervisor(data, parts, _say)
        before = {
            number: signal.signal(number, lambda *_: supervisor.stop.set())
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            return supervisor.run(
                lambda: _print_ready(
                    options, {"addresses": addresses, "data": str(options.data), "pid": os.getpid()}
                )
            )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _print_ready(options: UpOptions, about: dict[str, object]) -> None:
    addresses, lines = about["addresses"], []
    if isinstance(addresses, dict):
        what = "would listen" if options.dry_run else "ready"
        lines = [f"{what}: {name:8} {address}" for name, address in addresses.items()]
    if not options.dry_run:
        lines.append(f"data in {options.data}; Ctrl-C ends everything")
    emit(about, lines, options.as_json)


def main() -> NoReturn:
    """Entry point of the command ``slipway``."""
    sys.exit(run(sys.argv[1:], Composition(supervise=supervise)))
