"""The named cast and the desk they meet on.

The lab's Ada (release manager) and Lee (security), the agency's Ben
(evaluator) and Dana (authority), the bank's Cy (trusted partner), a stranger
Mallory of another lab, and somebody not signed in. A fixture gives the viewer
(``ada``); ``people`` has the rows; ``browser("ada")`` is a signed-in client,
``caller("ada")`` a client with a bearer token.

``SLIPWAY_TEST_DB=postgres`` runs everything on a temporary PostgreSQL cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

PASSWORD = "correct horse battery staple"

ORGANISATIONS = (
    ("aurora-lab", "Aurora Lab", "developer"),
    ("cyber-agency", "Cyber Agency", "agency"),
    ("first-bank", "First Community Bank", "partner"),
    ("other-lab", "Other Lab", "developer"),
)
CAST = {
    "ada": ("Ada", "aurora-lab", ("release_manager", "org_admin")),
    "lee": ("Lee", "aurora-lab", ("lab_security",)),
    "ben": ("Ben", "cyber-agency", ("evaluator",)),
    "dana": ("Dana", "cyber-agency", ("authority",)),
    "cy": ("Cy", "first-bank", ("partner_user",)),
    "mallory": ("Mallory", "other-lab", ("release_manager", "lab_security", "org_admin")),
}


@pytest.fixture(autouse=True)
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give each test a data directory of its own, with its own keys and log."""
    from slipway.desk.records import site_keys

    folder = tmp_path_factory.mktemp("site")
    before = settings.SLIPWAY_DATA
    settings.SLIPWAY_DATA = str(folder)
    site_keys.site().create()
    yield folder
    settings.SLIPWAY_DATA = before


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """Hash the cast's passwords quickly: the real hash takes a tenth of a second each."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.SECRET_KEY = "the tests' own secret key, used nowhere else, long enough for Django's checks"


@dataclass(frozen=True)
class Member:
    """One of the cast: the row, the membership and the viewer."""

    person: Any
    membership: Any
    viewer: Any

    @property
    def email(self) -> str:
        return str(self.person.email)


@pytest.fixture
def people(db: None) -> dict[str, Member]:
    """The cast, made by the actions that the command line calls."""
    from slipway.desk.accounts import actions
    from slipway.desk.accounts.viewer import OPERATOR, of_membership

    for slug, name, kind in ORGANISATIONS:
        actions.add_organisation(acting=OPERATOR, slug=slug, name=name, kind=kind)
    cast = {}
    for key, (name, organisation, roles) in CAST.items():
        added = actions.add_person(
            acting=OPERATOR,
            email=f"{key}@{organisation}.example",
            name=name,
            organisation=organisation,
            roles=roles,
            password=PASSWORD,
        )
        cast[key] = Member(added.person, added.membership, of_membership(added.membership, via="session"))
    return cast


@pytest.fixture
def ada(people: dict[str, Member]) -> Any:
    """The lab's release manager."""
    return people["ada"].viewer


@pytest.fixture
def lee(people: dict[str, Member]) -> Any:
    """The lab's security team."""
    return people["lee"].viewer


@pytest.fixture
def ben(people: dict[str, Member]) -> Any:
    """The agency's evaluator."""
    return people["ben"].viewer


@pytest.fixture
def dana(people: dict[str, Member]) -> Any:
    """The agency's determination authority."""
    return people["dana"].viewer


@pytest.fixture
def cy(people: dict[str, Member]) -> Any:
    """The bank's trusted partner."""
    return people["cy"].viewer


@pytest.fixture
def mallory(people: dict[str, Member]) -> Any:
    """A stranger: release manager of another lab."""
    return people["mallory"].viewer


@pytest.fixture
def browser(people: dict[str, Member]) -> Callable[[str | None], Client]:
    """Return a maker of browsers: ``browser("ada")`` is signed in, ``browser(None)`` is nobody."""

    def make(who: str | None = None, **options: Any) -> Client:
        client = Client(**options)
        if who is not None:
            client.force_login(people[who].person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


@pytest.fixture
def caller(people: dict[str, Member]) -> Callable[..., Client]:
    """Return a maker of API clients: ``caller("ada")`` sends a bearer token with each request."""
    from slipway.desk.accounts import actions

    def make(who: str, scope: str = "write") -> Client:
        member = people[who]
        added = actions.add_token(
            acting=member.viewer, membership=member.membership, label="test", days=1, scope=scope
        )
        return Client(headers={"Authorization": f"Bearer {added.secret}"})

    return make


@pytest.fixture
def anonymous() -> Client:
    """A browser that nobody signed in with."""
    return Client()
