"""``slipway review grant`` and ``slipway review key``: two-party access to a model."""

from __future__ import annotations

from typing import Any

import click

from slipway.cli.client import Session, on_desk
from slipway.cli.output import pairs

ROUTES = ("/v1/chat/completions", "/v1/models")


@click.group("grant")
def grant() -> None:
    """Propose, agree to, pause and end a grant of access."""


@grant.command("new")
@click.argument("review", metavar="REVIEW")
@click.option("--party", help="Short name of the organisation that is given access (default: the agency).")
@click.option("--alias", "model_alias", required=True, help="Model alias of the sealed endpoint.")
@click.option(
    "--access-level", default="AL1", show_default=True, help="AL1 black box, AL2, AL3: see the pack."
)
@click.option("--route", "routes", multiple=True, default=ROUTES, show_default=True, help="Repeatable.")
@click.option("--purpose", required=True, help="What the access is for.")
@click.option("--days", type=click.IntRange(1, 3660), help="Days from now, at most to the window's end.")
@click.option("--not-after", help="Instant at which it ends, like 2026-07-20T14:00:00Z.")
@click.option("--requests-per-minute", type=click.IntRange(1), help="Rate of requests [the pack's].")
@click.option("--tokens-per-minute", type=click.IntRange(1), help="Rate of tokens [the pack's].")
@click.option("--concurrency", type=click.IntRange(1), help="Requests at one time [the pack's].")
@click.option("--budget-requests", type=click.IntRange(1), help="Requests in all [the pack's].")
@click.option("--budget-tokens", type=click.IntRange(1), help="Tokens in all [the pack's].")
@click.option("--content-policy", help="What evidence keeps of the content [the pack's default].")
@on_desk(writes=True)
def grant_new(session: Session, review: str, routes: tuple[str, ...], **fields: Any) -> None:
    """Propose a grant; your side's agreement is implied, the other side's is asked for."""
    body = {"routes": list(routes)} | {name: value for name, value in fields.items() if value is not None}
    session.act("POST", f"/reviews/{review}/grants", body, lambda a: f"proposed {a.get('ref')}")


@grant.command("show")
@click.argument("grant_ref", metavar="GRANT")
@on_desk()
def grant_show(session: Session, grant_ref: str) -> None:
    """Show a grant and its use."""
    answer = session.desk.get(f"/grants/{grant_ref}")
    session.show(answer, pairs(answer) + pairs(answer.get("usage") or {}))


def _grant_act(verb: str, help_text: str) -> None:
    @grant.command(verb, help=help_text)
    @click.argument("grant_ref", metavar="GRANT")
    @on_desk(writes=True)
    def act(session: Session, grant_ref: str) -> None:
        session.act("POST", f"/grants/{grant_ref}/{verb}", {}, lambda a: f"{grant_ref}: {verb}")


for _verb, _help in {
    "agree": "Agree to a grant that the other side proposed.",
    "decline": "Decline a grant that the other side proposed.",
    "pause": "Stop access for now; live streams are cut (developer).",
    "resume": "Let access go on (developer).",
    "end": "End access (developer).",
    "revoke": "End access for cause; keys are dead at once (developer).",
}.items():
    _grant_act(_verb, _help)


@click.group("key")
def key() -> None:
    """Make and revoke the keys of a grant."""


@key.command("new")
@click.argument("grant_ref", metavar="GRANT")
@click.option("--label", required=True, help="What the key is for, for example the name of a machine.")
@on_desk(writes=True)
def key_new(session: Session, grant_ref: str, label: str) -> None:
    """Make a key; it is printed once and kept nowhere (the party that holds the grant)."""
    session.act(
        "POST", f"/grants/{grant_ref}/keys", {"label": label},
        lambda a: f"key (shown once): {a.get('key')}\nid: {a.get('id')}",
    )  # fmt: skip


@key.command("revoke")
@click.argument("key_id", metavar="KEY_ID")
@on_desk(writes=True)
def key_revoke(session: Session, key_id: str) -> None:
    """Revoke a key: requests and live streams with it end at once."""
    session.act("POST", f"/keys/{key_id}/revoke", {}, lambda a: f"revoked {key_id}")
