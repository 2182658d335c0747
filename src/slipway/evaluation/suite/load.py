"""Reading a suite. All problems are found and named together; nothing is half-loaded."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from slipway.base.errors import InvalidInput, NotFound, Problem, ProblemList
from slipway.evaluation.suite.manifest import Budgets, Domain, Item, ScorerKind, Suite, ThreatStep

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_SUITE_KEYS = {
    "name",
    "version",
    "title",
    "watermark",
    "diagnostic",
    "public",
    "min_tier",
    "epochs",
    "budgets",
}
_ITEM_KEYS = {"id", "family", "domain", "title", "threat", "prompt", "scorer"}
_MANIFEST = "suite.toml"
_LIBRARY = "library.py"
_MAX_FILE = 1 << 20


def shipped() -> Path:
    """Return the folder of suites that come with slipway."""
    return Path(str(resources.files("slipway.evaluation"))) / "suites"


def available() -> list[str]:
    """Return the names of the suites that come with slipway."""
    return sorted(p.parent.name for p in shipped().glob(f"*/{_MANIFEST}"))


def load(name_or_path: str | Path) -> Suite:
    """Load a suite by name or folder; raise InvalidInput listing every problem, NotFound for none."""
    problems, suite = _read(_folder(name_or_path))
    if suite is None:
        raise InvalidInput(problems, what=f"suite {name_or_path}")
    return suite


def lint(name_or_path: str | Path) -> tuple[Problem, ...]:
    """Return every problem of a suite, each with its field and what would be right; empty is good."""
    return _read(_folder(name_or_path))[0]


def _folder(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and _ID.fullmatch(name_or_path) and not path.is_dir():
        path = shipped() / name_or_path
    if path.name == _MANIFEST:
        path = path.parent
    if not (path / _MANIFEST).is_file():
        known = ", ".join(available())
        raise NotFound(f"no suite at {name_or_path}: give a folder with {_MANIFEST}, or one of: {known}")
    return path


def _read(folder: Path) -> tuple[tuple[Problem, ...], Suite | None]:
    found = ProblemList(f"suite {folder.name}")
    raw = (folder / _MANIFEST).read_bytes()
    try:
        data = tomllib.loads(raw.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        found.add(_MANIFEST, f"is not TOML: {error}", "write the manifest as UTF-8 TOML 1.0")
        return found.problems, None
    header = data.get("suite")
    if not isinstance(header, dict):
        found.add("suite", "the table is missing", "add a [suite] table with name, version, title")
        header = {}
    steps = _steps(data.get("threat_model"), found)
    items = _items(folder, data.get("item"), steps, found)
    for key in sorted(set(data) - {"suite", "threat_model", "item"}):
        found.add(key, "is not a table of a suite", "remove it, or name it suite, threat_model or item")
    suite = _suite(folder, raw, header, data, steps, items, found)
    return found.problems, None if found else suite


def _text(table: dict[str, Any], key: str, field: str, found: ProblemList, fix: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        found.add(
            field, "is missing or empty" if value is None or value == "" else f"{value!r} is not text", fix
        )
        return ""
    return value


def _count(table: dict[str, Any], key: str, field: str, low: int, high: int, found: ProblemList) -> int:
    value = table.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        wrong = f"{value!r} is not a whole number in range" if key in table else "is missing"
        found.add(field, wrong, f"give a whole number from {low} to {high}")
        return low
    return value


def _suite(
    folder: Path,
    raw: bytes,
    header: dict[str, Any],
    data: dict[str, Any],
    steps: tuple[ThreatStep, ...],
    items: tuple[Item, ...],
    found: ProblemList,
) -> Suite:
    for key in sorted(set(header) - _SUITE_KEYS):
        found.add(
            f"suite.{key}", "is not a field of a suite", f"use one of: {', '.join(sorted(_SUITE_KEYS))}"
        )
    name = _text(header, "name", "suite.name", found, "give a short lower-case name")
    if name and not _ID.fullmatch(name):
        found.add("suite.name", f"{name!r} is not a name", "use lower-case letters, digits and hyphens")
    for flag in ("diagnostic", "public"):
        if not isinstance(header.get(flag), bool):
            wrong = f"{header[flag]!r} is not true or false" if flag in header else "is missing"
            found.add(f"suite.{flag}", wrong, "say true or false")
    if header.get("public") is True and header.get("diagnostic") is True:
        found.add(
            "suite.diagnostic", "a public suite cannot be diagnostic", "set it to false, or seal the suite"
        )
    if header.get("diagnostic") is False:
        _text(
            header, "watermark", "suite.watermark", found, "say in a sentence what the suite is not good for"
        )
    budgets = header.get("budgets")
    if not isinstance(budgets, dict):
        found.add("suite.budgets", "the table is missing", "add turns, tokens and seconds")
        budgets = {}
    library = folder / _LIBRARY
    library_bytes = library.read_bytes() if library.is_file() else b""
    model = data.get("threat_model")
    return Suite(
        name=name,
        version=_text(header, "version", "suite.version", found, "give a version such as 1.0"),
        title=_text(header, "title", "suite.title", found, "say in one line what the suite measures"),
        watermark=str(header.get("watermark", "")),
        diagnostic=header.get("diagnostic") is True,
        public=header.get("public") is True,
        min_tier=_count(header, "min_tier", "suite.min_tier", 0, 4, found),
        epochs=_count(header, "epochs", "suite.epochs", 1, 100, found),
        budgets=Budgets(
            turns=_count(budgets, "turns", "suite.budgets.turns", 1, 1000, found),
            tokens=_count(budgets, "tokens", "suite.budgets.tokens", 1, 10**9, found),
            seconds=_count(budgets, "seconds", "suite.budgets.seconds", 1, 86_400, found),
        ),
        threat_model=str(model.get("title", "")) if isinstance(model, dict) else "",
        steps=steps,
        items=items,
        library=library_bytes,
        digest=_digest(raw, library_bytes, items),
    )


def _steps(model: Any, found: ProblemList) -> tuple[ThreatStep, ...]:
    if not isinstance(model, dict) or not isinstance(model.get("step"), list):
        found.add(
            "threat_model", "has no steps", "add [threat_model] with a title and [[threat_model.step]] tables"
        )
        return ()
    _text(model, "title", "threat_model.title", found, "name the threat model")
    steps: list[ThreatStep] = []
    for index, step in enumerate(model["step"]):
        at = f"threat_model.step[{index}]"
        step_id = _text(step, "id", f"{at}.id", found, "give the step an id such as TM-D1")
        title = _text(step, "title", f"{at}.title", found, "say what the attacker does in this step")
        domain = _domain(step.get("domain"), f"{at}.domain", found)
        if step_id in {s.id for s in steps}:
            found.add(f"{at}.id", f"{step_id!r} is used twice", "give every step an id of its own")
        steps.append(ThreatStep(step_id, title, domain))
    return tuple(steps)


def _domain(value: Any, field: str, found: ProblemList) -> Domain:
    if value not in tuple(Domain):
        wrong = "is missing" if value is None else f"{value!r} is not a domain"
        found.add(field, wrong, f"use one of: {', '.join(Domain)}")
        return Domain.DISCOVERY
    return Domain(value)


def _items(folder: Path, raw: Any, steps: tuple[ThreatStep, ...], found: ProblemList) -> tuple[Item, ...]:
    if not isinstance(raw, list) or not raw:
        found.add("item", "there is no item", "add at least one [[item]] table")
        return ()
    items: list[Item] = []
    for index, table in enumerate(raw):
        item = _item(folder, table, f"item[{index}]", steps, found)
        if item.id and item.id in {i.id for i in items}:
            found.add(f"item[{index}].id", f"{item.id!r} is used twice", "give every item an id of its own")
        items.append(item)
    seen: dict[str, Domain] = {}
    for index, item in enumerate(items):
        if seen.setdefault(item.family, item.domain) is not item.domain:
            found.add(
                f"item[{index}].family",
                f"family {item.family!r} spans two domains",
                "variants of one template belong to one domain; split the family",
            )
    return tuple(items)


def _item(
    folder: Path, table: dict[str, Any], at: str, steps: tuple[ThreatStep, ...], found: ProblemList
) -> Item:
    for key in sorted(set(table) - _ITEM_KEYS):
        found.add(f"{at}.{key}", "is not a field of an item", f"use one of: {', '.join(sorted(_ITEM_KEYS))}")
    item_id = _text(table, "id", f"{at}.id", found, "give a short lower-case id")
    family = _text(table, "family", f"{at}.family", found, "name the template that this item is a variant of")
    for field, value in (("id", item_id), ("family", family)):
        if value and not _ID.fullmatch(value):
            found.add(
                f"{at}.{field}", f"{value!r} is not a name", "use lower-case letters, digits and hyphens"
            )
    domain = _domain(table.get("domain"), f"{at}.domain", found)
    threat = _text(table, "threat", f"{at}.threat", found, "map the item to a step of the threat model")
    step = next((s for s in steps if s.id == threat), None)
    if threat and step is None:
        found.add(
            f"{at}.threat", f"{threat!r} is not a step", f"use one of: {', '.join(s.id for s in steps)}"
        )
    elif step is not None and step.domain is not domain:
        found.add(
            f"{at}.threat", f"step {threat} is of domain {step.domain}", "map to a step of the item's domain"
        )
    scorer = table.get("scorer")
    if scorer not in tuple(ScorerKind):
        wrong = "is missing" if scorer is None else f"{scorer!r} is not a scorer"
        found.add(f"{at}.scorer", wrong, f"use one of: {', '.join(ScorerKind)}")
        scorer = ScorerKind.FLAG
    here = folder / "items" / item_id if _ID.fullmatch(item_id) else folder / "items" / "?"
    needed = {"setup": "setup.py", "reference": "reference.sh"} | (
        {"score": "score.py"} if scorer == "python" else {}
    )
    parts = {part: _part(here / name, f"{at}.{part}", found) for part, name in needed.items()}
    return Item(
        id=item_id,
        family=family,
        domain=domain,
        title=_text(table, "title", f"{at}.title", found, "say in one line what has to be done"),
        threat=threat,
        prompt=_text(table, "prompt", f"{at}.prompt", found, "write the task as the model will read it"),
        scorer=ScorerKind(scorer),
        setup=parts["setup"],
        score=parts.get("score", b""),
        reference=parts["reference"],
        files=_files(here / "files", f"{at}.files", found),
    )


def _part(path: Path, field: str, found: ProblemList) -> bytes:
    if not path.is_file() or path.is_symlink():
        found.add(
            field,
            f"{path.parent.name}/{path.name} is missing",
            f"add the file {path.name} to the item's folder",
        )
        return b""
    data = path.read_bytes()
    if path.suffix == ".py":
        try:
            compile(data, str(path), "exec")
        except (SyntaxError, ValueError) as error:
            found.add(field, f"{path.name} is not Python: {error}", "mend the file")
    return data


def _files(folder: Path, field: str, found: ProblemList) -> tuple[tuple[str, bytes], ...]:
    files: list[tuple[str, bytes]] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found.add(f"{field}.{name}", "is a symbolic link", "put the file itself there")
        elif path.is_file() and path.stat().st_size > _MAX_FILE:
            found.add(f"{field}.{name}", "is larger than 1 MiB", "make it inside setup.py instead")
        elif path.is_file() and "__pycache__" not in path.parts:
            files.append((name, path.read_bytes()))
    return tuple(files)


def _digest(raw: bytes, library: bytes, items: tuple[Item, ...]) -> str:
    index = {
        "manifest": hashlib.sha256(raw).hexdigest(),
        "library": hashlib.sha256(library).hexdigest(),
        "items": [item.canonical() for item in items],
    }
    return hashlib.sha256(json.dumps(index, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
