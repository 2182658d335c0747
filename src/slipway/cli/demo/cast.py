"""Who takes part in the demo: two organisations and three people, each with a password of their own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from slipway.cli.demo.stage import Stage

DEVELOPER = ("aurora-lab", "Aurora Lab", "developer")
AGENCY = ("cyber-agency", "Cyber Agency", "agency")


@dataclass(slots=True)
class Person:
    """One persona. ``token`` is empty until :func:`introduce` has made it."""

    name: str
    email: str
    organisation: str
    roles: tuple[str, ...]
    what: str
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    token: str = ""

    @property
    def who(self) -> str:
        """First name and organisation, for the margin of the story."""
        return f"{self.name.split()[0]}, {self.organisation}"


@dataclass(frozen=True, slots=True)
class Cast:
    """The three people of the story."""

    ada: Person
    ben: Person
    dana: Person

    @property
    def people(self) -> tuple[Person, ...]:
        """Everybody."""
        return (self.ada, self.ben, self.dana)


def invite() -> Cast:
    """Return the cast with fresh passwords."""
    lab, agency = DEVELOPER[0], AGENCY[0]
    return Cast(
        ada=Person(
            "Ada Arden", "ada@aurora.example", lab, ("release_manager", "lab_security"), "release manager"
        ),
        ben=Person("Ben Okafor", "ben@agency.example", agency, ("evaluator",), "evaluator"),
        dana=Person("Dana Reyes", "dana@agency.example", agency, ("authority",), "determination authority"),
    )


def introduce(stage: Stage, cast: Cast) -> list[str]:
    """Add organisations, people and tokens by ``slipway admin``; return the records' numbers."""
    site = ["--data", str(stage.data)]
    records = []
    for slug, name, kind in (DEVELOPER, AGENCY):
        words = ["admin", "organisation", "add", "--slug", slug, "--name", name, "--kind", kind, *site]
        records.append(str(stage.run(words)["record"]))
    for person in cast.people:
        roles = [word for role in person.roles for word in ("--role", role)]
        words = [
            "admin", "person", "add", "--email", person.email, "--name", person.name,
            "--organisation", person.organisation, *roles, "--password-stdin", "--token-days", "7", *site,
        ]  # fmt: skip
        answer = stage.run(words, text=person.password + "\n")
        person.token = str(answer["token"])
        records += [str(answer["record"]), str(answer["token_record"])]
    return records
