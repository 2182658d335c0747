"""Writes docs/reference.md from the code: commands, settings, exit codes, API routes.

    python tests/docs_reference.py --write

``tests/test_docs.py`` fails when the file and the code differ.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference.md"


def commands(
    group: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with the words that reach it."""
    if not isinstance(group, click.Group):
        yield words, group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        child = group.get_command(context, name)
        assert child is not None, name
        yield from commands(child, (*words, name))


def _parameter(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        names = ", ".join(f"`{name}`" for name in parameter.opts)
        words = [parameter.help or ""]
        if parameter.required:
            words.append("Required.")
        if isinstance(parameter.type, click.Choice):
            words.append("One of: " + ", ".join(map(str, parameter.type.choices)) + ".")
        if parameter.show_default and parameter.default not in (None, ()):
            default = parameter.default
            shown = ", ".join(map(str, default)) if isinstance(default, (tuple, list)) else str(default)
            words.append(f"Default: {shown}.")
        if parameter.envvar:
            words.append(f"Setting: {parameter.envvar}.")
        return f"- {names} {' '.join(word for word in words if word)}".rstrip()
    choices = getattr(parameter.type, "choices", ())
    return f"- *{parameter.human_readable_name}*" + (
        f" one of: {', '.join(map(str, choices))}." if choices else ""
    )


def _commands() -> Iterator[str]:
    from slipway.cli.main import root

    for words, command in commands(root):
        yield f"### `slipway {' '.join(words)}`"
        yield ""
        text = (command.help or "").replace("\b", "").strip()
        yield "\n".join(line.strip() for line in text.splitlines())
        yield ""
        yield from (_parameter(parameter) for parameter in command.params)
        yield ""


def _routes() -> Iterator[str]:
    """The API's routes from its own OpenAPI description."""
    from slipway.desk.project import manage

    manage.setup()
    from slipway.desk.project.api import api

    yield "| Method | Path | What |"
    yield "|---|---|---|"
    for path, methods in sorted(api.get_openapi_schema(path_prefix="/api/v1")["paths"].items()):
        for method, about in methods.items():
            yield f"| {method.upper()} | `{path}` | {about.get('summary', '')} |"


def page() -> str:
    """Return the whole page."""
    from slipway.cli.help import EXIT_CODES, SETTINGS

    lines = [
        "# Reference",
        "",
        "Written from the code by `python tests/docs_reference.py --write`; do not edit.",
        "How these are used together is in [operations.md](operations.md).",
        "",
        "## Exit codes",
        "",
        "| Code | Name | Meaning |",
        "|---|---|---|",
        *(f"| {int(code)} | {code.name.lower()} | {meaning} |" for code, meaning in EXIT_CODES.items()),
        "",
        "## Settings",
        "",
        "| Variable | Meaning |",
        "|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in SETTINGS.items()),
        "",
        "## Commands",
        "",
        *_commands(),
        "## REST API",
        "",
        "Described by OpenAPI at `/api/docs` and `/api/v1/openapi.json` of a desk.",
        "",
        *_routes(),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SLIPWAY_DATA"] = folder
        text = page()
    if "--write" in sys.argv:
        PAGE.write_text(text)
    else:
        sys.stdout.write(text)
