"""Sign-in settings: django-allauth with passkeys first, passwords where somebody wants one."""

from __future__ import annotations

from typing import Any

PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# scrypt is memory-hard and in the standard library's OpenSSL; PBKDF2 stays readable for imported accounts.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]


def allauth_settings(*, tls: bool) -> dict[str, Any]:
    """Return allauth's settings by name; ``tls`` says that the operator named https origins.

    People are made by an administrator, so there is no sign-up, and their
    address counts as verified. A passkey signs in on its own
    (``MFA_PASSKEY_LOGIN_ENABLED``). ``MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN``
    switches allauth's origin check off altogether, not only for plain HTTP:
    behind TLS it must stay on, or a page on a subdomain could use our key.
    """
    return {
        "ACCOUNT_ADAPTER": "slipway.desk.accounts.adapter.AccountAdapter",
        "ACCOUNT_LOGIN_METHODS": {"email"},
        "ACCOUNT_SIGNUP_FIELDS": ["email*", "password1*", "password2*"],
        "ACCOUNT_USER_MODEL_USERNAME_FIELD": None,
        "ACCOUNT_USER_MODEL_EMAIL_FIELD": "email",
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_EMAIL_NOTIFICATIONS": False,
        "ACCOUNT_PREVENT_ENUMERATION": True,
        "ACCOUNT_SESSION_REMEMBER": False,
        "ACCOUNT_LOGOUT_REDIRECT_URL": "account_login",
        "ACCOUNT_REAUTHENTICATION_TIMEOUT": 900,
        "ACCOUNT_LOGIN_ON_PASSWORD_RESET": True,
        "MFA_SUPPORTED_TYPES": ["webauthn", "totp", "recovery_codes"],
        "MFA_PASSKEY_LOGIN_ENABLED": True,
        "MFA_PASSKEY_SIGNUP_ENABLED": False,
        "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": not tls,
        "MFA_WEBAUTHN_USER_VERIFICATION": "required",
        "ACCOUNT_FORMS": {
            "login": "slipway.desk.accounts.sign_in_forms.PasswordForm",
            "reauthenticate": "slipway.desk.accounts.sign_in_forms.ConfirmForm",
            "change_password": "slipway.desk.accounts.sign_in_forms.ChangeForm",
            "set_password": "slipway.desk.accounts.sign_in_forms.SetForm",
        },
        "MFA_FORMS": {"add_webauthn": "slipway.desk.accounts.sign_in_forms.AddPasskeyForm"},
        "MFA_TOTP_ISSUER": "Slipway",
        # Not tracked: it would write a row for every page that somebody reads.
        "USERSESSIONS_TRACK_ACTIVITY": False,
    }
