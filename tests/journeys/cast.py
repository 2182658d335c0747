"""Fills an empty data directory with the named cast; run as a program by the journeys' fixture.

Prints one JSON object: the password, and a bearer token for each of the cast.
"""

from __future__ import annotations

import json

from slipway.desk.project import manage

PASSWORD = "correct horse battery staple"

ORGANISATIONS = (
    ("aurora-lab", "Aurora Lab", "developer"),
    ("cyber-agency", "Cyber Agency", "agency"),
    ("first-bank", "First Community Bank", "partner"),
    ("other-lab", "Other Lab", "developer"),
)
PEOPLE = {
    "ada": ("Ada", "aurora-lab", ("release_manager", "org_admin")),
    "lee": ("Lee", "aurora-lab", ("lab_security",)),
    "ben": ("Ben", "cyber-agency", ("evaluator",)),
    "dana": ("Dana", "cyber-agency", ("authority",)),
    "cy": ("Cy", "first-bank", ("partner_user",)),
    "mallory": ("Mallory", "other-lab", ("release_manager", "lab_security")),
}


def email(who: str) -> str:
    """Return the address of one of the cast."""
    return f"{who}@{PEOPLE[who][1]}.example"


def main() -> None:
    """Migrate, add the cast, print what the journeys need."""
    manage.migrate()
    from slipway.desk.accounts import actions
    from slipway.desk.accounts.viewer import OPERATOR

    for slug, name, kind in ORGANISATIONS:
        actions.add_organisation(acting=OPERATOR, slug=slug, name=name, kind=kind)
    tokens = {}
    for key, (name, organisation, roles) in PEOPLE.items():
        actions.add_person(
            acting=OPERATOR,
            email=email(key),
            name=name,
            organisation=organisation,
            roles=roles,
            password=PASSWORD,
        )
        tokens[key] = actions.add_token_for(acting=OPERATOR, email=email(key), days=1).secret
    print(json.dumps({"password": PASSWORD, "tokens": tokens}))


if __name__ == "__main__":
    main()
