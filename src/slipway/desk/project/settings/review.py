"""Settings of the review desk, read from the environment.

=======================  ================================================================
``SLIPWAY_DATA``         data directory (default ``./slipway-data``)
``SLIPWAY_DATABASE_URL`` ``postgres://user:password@host:port/name``; SQLite when unset
``SLIPWAY_DEBUG``        ``1`` shows tracebacks in the browser; never on a shared machine
``SLIPWAY_HOSTS``        comma-separated host names the desk answers to
``SLIPWAY_ORIGINS``      comma-separated origins (``https://desk.example``) for CSRF behind TLS
``SLIPWAY_LOG_ORIGIN``   origin and key name of the evidence log
``SLIPWAY_SEQUENCER``    ``0`` on every desk but the one whose data directory holds the log
``SLIPWAY_LOG_LEVEL``    level of the process log (default ``INFO``)
=======================  ================================================================

Importing this module reads the environment and touches no file: the data
directory and the secret key are made on first use, so that tools (mypy,
pytest, ``--help``) can load settings without leaving anything behind.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils.functional import SimpleLazyObject

from slipway.base.datadir import DataDirectory
from slipway.desk.project.settings import database, sign_in, static_files
from slipway.desk.project.settings.secret_key import load_or_create_secret

_PROJECT = Path(__file__).resolve().parent.parent


def _list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


SLIPWAY_DATA = str(DataDirectory.default().root)
SLIPWAY_LOG_ORIGIN = os.environ.get("SLIPWAY_LOG_ORIGIN") or "slipway.local/review"
SLIPWAY_SITE_NAME = "Slipway review desk"

DEBUG = os.environ.get("SLIPWAY_DEBUG") == "1"
# Lazy because reading it may create keys/django-secret in the data directory.
SECRET_KEY: Any = SimpleLazyObject(lambda: load_or_create_secret(DataDirectory.default()))
ALLOWED_HOSTS = _list("SLIPWAY_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = _list("SLIPWAY_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "slipway.desk.theme",
    "slipway.desk.accounts",
    "slipway.desk.records",
    "slipway.desk.reviews",
    "slipway.desk.access",
    "slipway.desk.runs",
    "slipway.desk.determinations",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "ninja",
    "django.contrib.admin",
]

MIDDLEWARE = [
    "slipway.desk.project.middleware.RequestReference",
    "slipway.desk.project.middleware.SecurityHeaders",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "slipway.desk.project.middleware.ErrorPages",
    "slipway.desk.accounts.idempotency.IdempotencyMiddleware",
]

ROOT_URLCONF = "slipway.desk.project.urls"
ASGI_APPLICATION = "slipway.desk.project.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parents[1] / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "slipway.desk.accounts.context.viewer",
            ],
            "builtins": ["slipway.desk.theme.templatetags.theme"],
        },
    }
]

DATABASES = database.from_environment(SLIPWAY_DATA)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-us"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = static_files.versioned_url()
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_MAX_AGE = 0 if DEBUG else int(timedelta(days=365).total_seconds())

AUTH_USER_MODEL = "accounts.Person"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = sign_in.PASSWORD_VALIDATORS
PASSWORD_HASHERS = sign_in.PASSWORD_HASHERS
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "slipway.desk.project.errors.csrf_failure"
# Behind TLS the operator names https origins; then cookies must never travel in clear text.
_TLS = any(origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _TLS
for _name, _value in sign_in.allauth_settings(tls=_TLS).items():
    globals()[_name] = _value
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if _TLS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _TLS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
DEFAULT_FROM_EMAIL = "desk@localhost"

# What the ASGI application allows at once: without it 300 clients made 320 threads and 1.74 GB.
SLIPWAY_REQUEST_SLOTS = 16
# The evidence log has one home. A desk on another machine, with the same PostgreSQL, must not seal.
SLIPWAY_SEQUENCER = os.environ.get("SLIPWAY_SEQUENCER", "1") != "0"

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "slipway.desk.project.logs.UtcFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("SLIPWAY_LOG_LEVEL", "INFO").upper()},
    # ErrorPages writes one line with the reference and the traceback; Django's would be a second copy.
    "loggers": {"django.request": {"level": "CRITICAL"}, "httpx": {"level": "WARNING"}},
}
