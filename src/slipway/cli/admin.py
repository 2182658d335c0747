"""``slipway admin``: organisations, people and tokens of the site on this machine.

These commands act on the data directory itself, as the site's operator; each
act is recorded like every other one.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from slipway.base.clock import format_instant
from slipway.base.datadir import ENV, DataDirectory
from slipway.base.errors import InvalidInput, Problem
from slipway.cli.output import dry_run_option, emit, json_option, pairs
from slipway.programme.roles import OrganisationKind, Role


def _site(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--data``, ``--json`` and ``--dry-run``, and a database that is up to date."""

    @functools.wraps(function)
    def wrapper(*args: Any, data: Path | None, dry_run: bool, as_json: bool, **kwargs: Any) -> Any:
        folder = (data or DataDirectory.default().root).resolve()
        if dry_run:
            shown = {name: value for name, value in kwargs.items() if name != "password_stdin"}
            would = {"dry_run": True, "data": str(folder), "would": function.__name__} | shown
            emit(would, [f"would act on {folder}", *pairs(shown)], as_json)
            return None
        os.environ[ENV] = str(folder)  # Django's settings read it once, when they are loaded
        from slipway.desk.project import manage

        manage.migrate()
        answer: dict[str, Any] = function(*args, **kwargs)
        emit(answer, pairs(answer), as_json)
        return None

    decorated = json_option(dry_run_option(wrapper))
    return click.option(
        "--data", type=click.Path(path_type=Path), help="Data directory [SLIPWAY_DATA, ./slipway-data]."
    )(decorated)


@click.group("admin")
def command() -> None:
    """Organisations, people and tokens of the site on this machine."""


@command.group("organisation")
def organisation() -> None:
    """The organisations that take part."""


@organisation.command("add")
@click.option("--slug", required=True, help="Short name in records, like aurora-lab.")
@click.option("--name", required=True, help="Name for people, like Aurora Lab.")
@click.option("--kind", required=True, help="One of: " + ", ".join(OrganisationKind) + ".")
@_site
def organisation_add(slug: str, name: str, kind: str) -> dict[str, Any]:
    """Add an organisation and make the key that signs its records."""
    from slipway.desk.accounts import actions
    from slipway.desk.accounts.viewer import OPERATOR

    added = actions.add_organisation(acting=OPERATOR, slug=slug, name=name, kind=kind)
    return {
        "id": added.organisation.id, "slug": slug, "name": name, "kind": kind,
        "vkey": added.vkey, "record": added.record,
    }  # fmt: skip


@command.group("person")
def person() -> None:
    """The people of the organisations."""


@person.command("add")
@click.option("--email", required=True, help="Address to sign in with.")
@click.option("--name", required=True, help="Name for people, like Ada Arden.")
@click.option("--organisation", required=True, help="Short name of the organisation.")
@click.option("--role", "roles", multiple=True, required=True, help="Repeatable: " + ", ".join(Role) + ".")
@click.option("--password-stdin", is_flag=True, help="Read a password from stdin instead of a welcome link.")
@click.option("--token-days", type=int, help="Also make an API token that lasts so many days.")
@_site
def person_add(
    email: str, name: str, organisation: str, roles: tuple[str, ...], password_stdin: bool,
    token_days: int | None,
) -> dict[str, Any]:  # fmt: skip
    """Add a person; without a password the answer has a one-time welcome address for a passkey."""
    from slipway.desk.accounts import actions
    from slipway.desk.accounts.viewer import OPERATOR

    password = None
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            fix = "write the password and a line end to stdin, or leave the flag out"
            raise InvalidInput([Problem("--password-stdin", "stdin is empty", fix)])
    if token_days is not None and not 1 <= token_days <= actions.MAX_TOKEN_DAYS:
        # Asked before the person is added, so that nothing is half done.
        fix = f"1 to {actions.MAX_TOKEN_DAYS} days"
        raise InvalidInput([Problem("--token-days", f"{token_days} is out of range", fix)])
    added = actions.add_person(
        acting=OPERATOR, email=email, name=name, organisation=organisation, roles=roles, password=password
    )
    answer = {
        "id": added.person.id, "email": email, "name": name, "organisation": organisation,
        "roles": ", ".join(roles), "welcome_path": added.welcome_path, "record": added.record,
    }  # fmt: skip
    return answer if token_days is None else answer | _new_token(email, token_days, "command line")


def _new_token(email: str, days: int, label: str) -> dict[str, Any]:
    from slipway.desk.accounts import actions
    from slipway.desk.accounts.viewer import OPERATOR

    added = actions.add_token_for(acting=OPERATOR, email=email, days=days, label=label)
    return {
        "token": added.secret, "label": label, "expires_at": format_instant(added.token.expires_at),
        "token_record": added.record,
    }  # fmt: skip


@person.command("link")
@click.option("--email", required=True, help="Address of the person.")
@_site
def person_link(email: str) -> dict[str, Any]:
    """Make a one-time welcome address for somebody who lost their passkey or password."""
    from slipway.desk.accounts import actions
    from slipway.desk.accounts.viewer import OPERATOR

    return {"email": email, "welcome_path": actions.add_sign_in_link(acting=OPERATOR, email=email)}


@command.group("token")
def token() -> None:
    """API tokens, for the commands that act on a desk."""


@token.command("add")
@click.option("--email", required=True, help="Address of the person the token acts for.")
@click.option("--days", type=int, default=30, show_default=True, help="Days until it expires.")
@click.option("--label", default="command line", show_default=True, help="What uses the token.")
@_site
def token_add(email: str, days: int, label: str) -> dict[str, Any]:
    """Make a token; it is printed once and kept nowhere."""
    return {"email": email} | _new_token(email, days, label)
