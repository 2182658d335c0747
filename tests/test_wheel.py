"""The wheel works on its own: everything it needs is inside, from an empty folder, without the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "slipway"
# Files that are no modules and must come along, each kind by what it is for.
DATA = {
    "templates": "desk/*/templates/**/*.html",
    "static files": "desk/*/static/**/*",
    "policy packs": "programme/packs/*.toml",
    "suites": "evaluation/suites/**/*",
    "seccomp profile": "evaluation/sandbox/*.json",
    "typing marker": "py.typed",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("kind", DATA)
def test_data_is_inside(wheel: Path, kind: str) -> None:
    wanted = {
        f"slipway/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.glob(DATA[kind])
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted, kind
    with zipfile.ZipFile(wheel) as archive:
        assert wanted <= set(archive.namelist())


def test_modules_examples_and_licence_are_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = next(name for name in names if name.endswith("METADATA"))
        about = archive.read(metadata).decode()
    modules = {f"slipway/{p.relative_to(SOURCE).as_posix()}" for p in SOURCE.rglob("*.py")}
    assert modules <= names
    assert "slipway/_examples/reference_model.py" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("__pycache__" in name or name.startswith("tests") for name in names)
    assert "Requires-Python: >=3.11" in about


def slipway(unpacked: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY")}
    # The unpacked wheel comes before the editable installation that runs this test.
    environment |= {"PYTHONPATH": str(unpacked), "SLIPWAY_DATA": str(folder / "data")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "slipway", *words],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip


def test_works_from_an_empty_folder(unpacked: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import slipway; print(slipway.__file__)"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(unpacked)}, capture_output=True, text=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(unpacked)), where.stdout + where.stderr
    assert slipway(unpacked, tmp_path, "--version").stdout.startswith("slipway 0.")
    packs = json.loads(slipway(unpacked, tmp_path, "pack", "list", "--json").stdout)["packs"]
    assert {"eo-14409", "eo-14409-public", "window-14", "window-90"} <= {pack["name"] for pack in packs}
    suites = json.loads(slipway(unpacked, tmp_path, "suite", "list", "--json").stdout)["suites"]
    assert [suite["name"] for suite in suites] == ["starter"]
    assert slipway(unpacked, tmp_path, "suite", "lint", "starter").returncode == 0
    demo = slipway(unpacked, tmp_path, "demo", "--dry-run", "--json")
    assert json.loads(demo.stdout)["dry_run"] is True
    assert list(tmp_path.iterdir()) == []


def test_its_desk_makes_a_database_and_an_organisation(unpacked: Path, tmp_path: Path) -> None:
    words = [
        "admin",
        "organisation",
        "add",
        "--slug",
        "aurora-lab",
        "--name",
        "Aurora",
        "--kind",
        "developer",
    ]
    done = slipway(unpacked, tmp_path, *words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["vkey"].count("+") >= 2
    assert (tmp_path / "data" / "desk.sqlite3").exists()
