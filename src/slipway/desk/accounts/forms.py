"""Forms of accounts. They read and shape input; the rules are in actions."""

from __future__ import annotations

from typing import Any

from django import forms

from slipway.desk.accounts.models import ApiToken, Membership
from slipway.programme.roles import ROLES_OF, OrganisationKind, Role, title


class TokenForm(forms.Form):
    """Asks for a new API token."""

    label = forms.CharField(
        max_length=80, help_text="What will use it, for example “nightly evaluation runner”."
    )
    membership = forms.ChoiceField(label="Acts for")
    days = forms.IntegerField(
        label="Days until it expires", min_value=1, max_value=366, initial=30, help_text="1 to 366."
    )
    scope = forms.ChoiceField(
        label="May",
        choices=[(ApiToken.READ, "read only"), (ApiToken.WRITE, "read and write")],
        widget=forms.RadioSelect,
        initial=ApiToken.READ,
    )

    def __init__(self, *args: Any, memberships: list[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["membership"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(m.id, m.organisation.name) for m in memberships]
        if len(memberships) == 1:
            field.widget = forms.HiddenInput()
            field.initial = memberships[0].id


class WelcomeForm(forms.Form):
    """Asks somebody who came by a one-time link how they want to sign in from now on."""

    password = forms.CharField(
        label="Password (leave empty to use a passkey only)",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters.",
    )


class PersonForm(forms.Form):
    """Asks for a colleague to add to an organisation."""

    name = forms.CharField(max_length=120)
    email = forms.EmailField(label="Email address")
    roles = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, kind: OrganisationKind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["roles"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(str(r), title(r)) for r in Role if r in ROLES_OF[kind]]
