#!/usr/bin/env python3
"""Make the environment and run a command of slipway in it. Standard library only.

    ./go demo [ARGS]             carry one review from offer to verified report
    ./go up [review|gateway]     start the desk and the gateway
    ./go test [PYTEST ARGS]      all checks and tests; with arguments pytest alone
    ./go bench [NAME…] [--quick] benchmarks, one JSON line a measure
    ./go doctor [ARGS]           say what is right and wrong with this machine
    ./go slipway ARGS            any other command of slipway
    ./go requirements            compile requirements/*.txt again (needs uv)

The environment is .venv beside this file (SLIPWAY_VENV chooses another), made
by the Python that runs this file, 3.11 or newer. System packages are installed
with apt where this process may (root or sudo); otherwise one line names them.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python must be told so, not meet a traceback
    sys.exit(
        "slipway needs Python 3.11 or newer and this is %d.%d; run: python3.11 %s"  # noqa: UP031
        % (sys.version_info[0], sys.version_info[1], " ".join(sys.argv))
    )

import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("SLIPWAY_VENV") or ROOT / ".venv").absolute()
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "slipway-installed.json"
REQUIREMENTS = ROOT / "requirements"
SBIN = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def say(text: str) -> None:
    """Print one line of progress; stdout stays free for what the command prints."""
    print(f"go: {text}", file=sys.stderr, flush=True)


# --- system packages ---------------------------------------------------------


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name, path=SBIN) is not None


def _library(name: str) -> Callable[[], bool]:
    def found() -> bool:
        try:
            ctypes.CDLL(name)
        except OSError:
            return False
        return True

    return found


def _postgres_folder() -> Path | None:
    """Where initdb and pg_ctl are: Debian keeps them off the PATH, by version."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = {int(p.parts[4]): p.parent for p in Path("/usr/lib/postgresql").glob("[0-9]*/bin/initdb")}
    return found[max(found)] if found else None


# Debian package -> is it (or what it brings) there already?
SANDBOX = {
    "crun": _program("crun"),
    "mmdebstrap": _program("mmdebstrap"),
    "iproute2": _program("ip"),
    "uidmap": _program("newuidmap"),
    "util-linux": _program("nsenter"),
}
PAPER = {
    "libpango-1.0-0": _library("libpango-1.0.so.0"),
    "libpangoft2-1.0-0": _library("libpangoft2-1.0.so.0"),
    "libharfbuzz-subset0": _library("libharfbuzz-subset.so.0"),
    "fonts-dejavu-core": lambda: any(Path("/usr/share/fonts").rglob("DejaVuSans.ttf")),
}
TESTS = {
    "chromium": _program("chromium"),
    "postgresql": lambda: _postgres_folder() is not None,
    "openssl": _program("openssl"),
    "libatomic1": _library("libatomic.so.1"),  # of Playwright's driver
}
PEERS = {"nginx-light": _program("nginx")}
SYSTEM_NEEDS: dict[str, dict[str, Callable[[], bool]]] = {
    "demo": SANDBOX | PAPER,
    "up": PAPER,
    "test": SANDBOX | PAPER | TESTS,
    "bench": SANDBOX | PAPER | PEERS,
}


def _as_root() -> list[str] | None:
    """What to put before a command so that it runs as root; None when it cannot."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def apt_install(packages: list[str]) -> bool:
    """Install Debian packages when this process may; else say in one line what to install."""
    prefix = _as_root()
    if not packages:
        return True
    command = "apt-get install --yes --no-install-recommends " + " ".join(packages)
    if prefix is None or not shutil.which("apt-get"):
        say(f"this machine lacks {len(packages)} system package(s); install them with: sudo {command}")
        return False
    say("installing system packages with apt: " + " ".join(packages))
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    for step in (["apt-get", "update"], command.split()):
        done = subprocess.run(
            [*prefix, *environment, *step], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        # A failing update (one mirror down) may still leave lists good enough to install from.
        if done.returncode and step[1] == "install":
            print("\n".join(done.stdout.splitlines()[-15:]), file=sys.stderr)
            say(f"apt could not install them; try yourself: sudo {command}")
            return False
    return True


def system_packages(command: str) -> None:
    """Install what ``command`` needs and this machine lacks."""
    lacking = [name for name, there in SYSTEM_NEEDS.get(command, {}).items() if not there()]
    apt_install(lacking)


# --- the environment -----------------------------------------------------------


def _digest(*paths: Path) -> str:
    state = hashlib.sha256()
    for path in paths:
        state.update(path.read_bytes())
    return state.hexdigest()


def _pip() -> list[str]:
    """A pip that can install into the environment: the running Python's, or one made by ensurepip."""
    own = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True)
    version = re.match(r"pip (\d+)\.(\d+)", own.stdout)
    if own.returncode == 0 and version and (int(version[1]), int(version[2])) >= (22, 3):
        return [sys.executable, "-m", "pip", "--python", str(PYTHON)]  # --python came with 22.3
    inside = [str(PYTHON), "-m", "pip"]
    if subprocess.run([*inside, "--version"], capture_output=True).returncode == 0:
        return inside
    if subprocess.run([str(PYTHON), "-m", "ensurepip"], capture_output=True).returncode == 0:
        return inside
    if sys.executable.startswith("/usr/bin/") and apt_install(["python3-pip"]):
        return [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    sys.exit("go: this Python has neither pip nor ensurepip; install one: sudo apt-get install python3-pip")


def _run_logged(command: list[str], log: Path, total: int = 0) -> None:
    """Run ``command`` into ``log``; show pip's count on a terminal; on failure show the log's end."""
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        seen = 0
        for line in process.stdout or ():
            out.write(line)
            if line.startswith("Collecting ") and total and sys.stderr.isatty():
                seen += 1
                print(f"\rgo: {seen} of {total} packages", end="", file=sys.stderr, flush=True)
        if seen:
            print("\r\x1b[K", end="", file=sys.stderr)
    if process.wait():
        lines = [line for line in log.read_text().splitlines() if not line.startswith("WARNING: Location")]
        print("\n".join(lines[-25:]), file=sys.stderr)
        sys.exit(f"go: making the environment failed (see {log}); run the same command to try again")


def _install(kind: str, runtime: str, project: str) -> None:
    pip = _pip()
    listing = REQUIREMENTS / f"{kind}.txt"
    total = len(re.findall(r"^[^\s#].*==", listing.read_text(), re.MULTILINE))
    started = time.monotonic()
    say(f"installing {total} packages from requirements/{kind}.txt, hash-checked")
    STAMP.unlink(missing_ok=True)
    # --no-compile: byte code is written at first import, and only for what is imported.
    _run_logged(
        [*pip, "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile",
         "--disable-pip-version-check", "--progress-bar", "off", "-r", str(listing)],
        VENV / "install.log", total,
    )  # fmt: skip
    _run_logged(
        [*pip, "install", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check",
         "--editable", str(ROOT)],
        VENV / "install-slipway.log",
    )  # fmt: skip
    made = {"kind": kind, "runtime": runtime, "project": project, "listing": _digest(listing)}
    STAMP.write_text(json.dumps(made) + "\n")
    say(f"environment ready after {time.monotonic() - started:.0f} s: {VENV}")


def _usable() -> bool:
    """Is there an environment made by this very version of Python?"""
    if not PYTHON.exists():
        return False
    asked = subprocess.run(
        [str(PYTHON), "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True
    )
    return asked.returncode == 0 and asked.stdout.split() == [str(n) for n in sys.version_info[:2]]


def environment(kind: str, command: str) -> None:
    """Bring the environment and the system packages of ``command`` up to date; both at once."""
    missing: list[BaseException] = []
    packages = threading.Thread(target=system_packages, args=(command,))
    packages.start()
    lock = os.open(REQUIREMENTS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two ./go at once: the second finds the first one's work
        runtime = _digest(REQUIREMENTS / "runtime.txt")
        project = _digest(ROOT / "pyproject.toml")
        try:
            made = json.loads(STAMP.read_text())
        except (OSError, ValueError):
            made = {}
        usable = _usable()
        current = (
            usable
            and made.get("project") == project
            and made.get("runtime") == runtime
            and (kind == "runtime" or made.get("listing") == _digest(REQUIREMENTS / "dev.txt"))
        )
        if not usable:
            say(f"making an environment with Python {sys.version.split()[0]} in {VENV}")
            # --without-pip: Debian's Python has venv but, without python3-venv, no ensurepip.
            subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], check=True)
        if not current:
            # An environment that had the tests' packages keeps them.
            keep = "dev" if kind == "dev" or made.get("kind") == "dev" else "runtime"
            _install(keep, runtime, project)
    except subprocess.CalledProcessError as error:
        missing.append(error)
    finally:
        os.close(lock)
        packages.join()
    if missing:
        sys.exit(f"go: {missing[0]}")


def run_slipway(arguments: list[str]) -> None:
    """Become ``slipway ARGS`` in the environment."""
    os.execv(VENV / "bin" / "slipway", ["slipway", *arguments])  # noqa: S606


# --- test ----------------------------------------------------------------------


def _tool(*command: str) -> list[str]:
    return [str(VENV / "bin" / command[0]), *command[1:]]


def _phase(name: str, failed: list[str], command: list[str], extra: dict[str, str] | None = None) -> None:
    started = time.monotonic()
    say(f"{name} …")
    code = subprocess.run(command, cwd=ROOT, env=os.environ | (extra or {})).returncode
    say(f"{name}: {'ok' if code == 0 else 'FAILED'} ({time.monotonic() - started:.0f} s)")
    if code:
        failed.append(name)


def test(arguments: list[str]) -> int:
    """Run every check, PostgreSQL first, and end with the summary of the whole suite on SQLite."""
    pytest = _tool("python", "-m", "pytest")
    if arguments:
        return subprocess.run([*pytest, *arguments], cwd=ROOT).returncode
    failed: list[str] = []
    with tempfile.TemporaryFile("w+") as types:
        mypy = subprocess.Popen(_tool("mypy"), cwd=ROOT, stdout=types, stderr=subprocess.STDOUT)
        _phase("ruff check", failed, _tool("ruff", "check", "."))
        _phase("ruff format --check", failed, _tool("ruff", "format", "--check", "."))
        _phase("import order", failed, _tool("lint-imports"))
        folder = _postgres_folder()
        if folder is None:
            say("PostgreSQL is not installed: tests/desk and tests/contract are not run on it")
            if os.environ.get("CI") == "true":
                failed.append("tests on PostgreSQL (skipped)")
        else:
            folders = [name for name in ("tests/desk", "tests/contract") if (ROOT / name).is_dir()]
            marked = "not browser and not sandbox"
            # The tests start a cluster of their own (tests/postgres.py) and remove it again.
            command = [*pytest, "-q", "-n", "2", "-m", marked, *folders]
            extra = {"SLIPWAY_TEST_DB": "postgres", "SLIPWAY_POSTGRES_BIN": str(folder)}
            _phase("tests on PostgreSQL", failed, command, extra)
        code = mypy.wait()
        types.seek(0)
        print(types.read(), end="", flush=True)
        say(f"mypy: {'ok' if code == 0 else 'FAILED'}")
        if code:
            failed.append("mypy")
    say("the whole suite on SQLite …")
    # tests/conftest.py names the phases that failed above the summary line, which stays last.
    environment = os.environ | {"SLIPWAY_FAILED_PHASES": ", ".join(failed)}
    code = subprocess.run([*pytest, "-n", "2"], cwd=ROOT, env=environment).returncode
    return code or int(bool(failed))


# --- requirements --------------------------------------------------------------


def requirements() -> int:
    """Compile the hashed lists again, for Python 3.11 on Linux, without index addresses."""
    uv = os.environ.get("UV") or shutil.which("uv") or str(VENV / "bin" / "uv")
    if not Path(uv).exists():
        sys.exit("go: uv was not found; install it (pip install uv) or set UV to its path")
    common = [
        uv, "pip", "compile", "--quiet", "--generate-hashes", "--no-emit-index-url", "--no-header",
        "--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_36",
    ]  # fmt: skip
    for inputs, output in ((["base.in", "build.in"], "runtime.txt"), (["dev.in"], "dev.txt")):
        code = subprocess.run([*common, *inputs, "-o", output], cwd=REQUIREMENTS).returncode
        if code:
            return code
    return 0


def main(arguments: list[str]) -> int:
    """Run the command named by the first argument."""
    command = arguments[0] if arguments else "help"
    rest = arguments[1:]
    if command in ("help", "--help", "-h"):
        print(__doc__)
    elif command == "requirements":
        return requirements()
    elif command == "test":
        environment("dev", "test")
        return test(rest)
    elif command == "bench":
        environment("runtime", "bench")
        return subprocess.run([str(PYTHON), "-m", "benchmarks", *rest], cwd=ROOT).returncode
    elif command in ("demo", "up", "doctor"):
        environment("runtime", command)
        run_slipway([command, *rest])
    elif command == "slipway":
        environment("runtime", command)
        run_slipway(rest)
    else:
        print(__doc__, file=sys.stderr)
        say(f"unknown command {command!r}")
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
