"""The documentation is tested: an undocumented command, flag, setting or route fails."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from slipway.cli.help import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def _reference() -> str:
    spec = importlib.util.spec_from_file_location("docs_reference", ROOT / "tests" / "docs_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text: str = module.page()
    return text


def test_reference_is_what_the_code_says() -> None:
    written, now = (DOCS / "reference.md").read_text(), _reference()
    assert written == now, "run: python tests/docs_reference.py --write"


def test_every_setting_read_is_explained() -> None:
    """Whatever variable the code reads must be in `slipway help settings`."""
    read = set()
    for path in [*(ROOT / "src").rglob("*.py"), ROOT / "go"]:
        if "suites" in path.parts:
            continue  # what runs inside a sandbox is given variables of its own
        text = path.read_text()
        read |= set(
            re.findall(r"""(?:environ|getenv|env|_list)\b[^\n]{0,20}["'](SLIPWAY_[A-Z_]+)["']""", text)
        )
        read |= set(re.findall(r"""(?m)^ENV\w* (?:: Final )?= ["'](SLIPWAY_[A-Z_]+)["']""", text))
    # Set by slipway itself, for its own children.
    own = {"SLIPWAY_DEMO_MODEL_KEY", "SLIPWAY_FAILED_PHASES"}
    assert read - own <= set(SETTINGS)
    assert "SLIPWAY_DATA" in read


def test_every_setting_is_in_operations() -> None:
    text = (DOCS / "operations.md").read_text()
    assert [name for name in SETTINGS if f"`{name}`" not in text] == []


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_files_named_in_the_tour_exist() -> None:
    text = (DOCS / "tour.md").read_text()
    named = set(re.findall(r"`((?:src|tests|examples|benchmarks|docs|requirements)/[\w./-]+)`", text))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
