"""allauth's sign-in forms in our words."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import ChangePasswordForm, LoginForm, ReauthenticateForm, SetPasswordForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm


class _Plain:
    """Takes placeholders away (they vanish while one types) and the link for a forgotten password:

    the desk sends no mail, an administrator gives a one-time address.
    """

    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            if name in ("password", "oldpassword"):
                field.help_text = ""


class PasswordForm(_Plain, LoginForm):
    """Asks for address and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Email address"


class ConfirmForm(_Plain, ReauthenticateForm):
    """Asks for the password again."""


class ChangeForm(_Plain, ChangePasswordForm):
    """Asks for the old and a new password."""


class SetForm(_Plain, SetPasswordForm):
    """Asks for a first password."""


class AddPasskeyForm(AddWebAuthnForm):
    """Asks for a name and whether the key signs in without a password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = "Name of this passkey"
        self.fields["name"].help_text = "So that you can tell it from others, for example “work laptop”."
        if "passwordless" in self.fields:
            self.fields["passwordless"].label = "Sign in with it alone, without a password"
            self.fields[
                "passwordless"
            ].help_text = "Take the tick away for a security key used after a password."
            self.fields["passwordless"].initial = True
