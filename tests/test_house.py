"""The house itself: requirement lists, the wheel's inputs, the way in."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def names(path: Path) -> list[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def test_requirements_equal_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert sorted(names(ROOT / "requirements/base.in")) == sorted(project["dependencies"])


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_compiled_requirements_have_hashes_and_no_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host|@ file:", text)
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", text)
    pinned = [block for block in blocks if block.strip() and not block.startswith("#")]
    assert len(pinned) > 50
    for block in pinned:
        assert re.match(r"[\w.\-\[\],]+==[^\s;]+( ; .*?)? \\\n", block), block[:80]
        assert "--hash=sha256:" in block


def test_dev_includes_runtime_at_the_same_versions() -> None:
    def pins(name: str) -> set[str]:
        return set(
            re.findall(r"(?m)^([\w.\-]+(?:\[[^\]]*\])?==\S+)", (ROOT / "requirements" / name).read_text())
        )

    assert pins("runtime.txt") <= pins("dev.txt")


def test_no_lock_of_uv_and_ci_runs_only_the_tests() -> None:
    assert not (ROOT / "uv.lock").exists()
    commands = [
        line for line in (ROOT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert commands[-1] == "exec ./go test"
    assert "export CI=true" in commands


def test_go_explains_itself_and_refuses_what_it_does_not_know() -> None:
    done = subprocess.run([sys.executable, ROOT / "go", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for command in ("demo", "up", "test", "bench", "doctor", "requirements"):
        assert f"./go {command}" in done.stdout
    assert subprocess.run([sys.executable, ROOT / "go", "nonsense"], capture_output=True).returncode == 2
