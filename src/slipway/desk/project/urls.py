"""Every address of the review desk. Each app keeps its own in ``<app>/urls.py``."""

from __future__ import annotations

import importlib.util

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from slipway.desk.project import pages
from slipway.desk.project.api import api


def _present(*apps: str) -> list[URLResolver]:
    found = []
    for app in apps:
        module = f"slipway.desk.{app}.urls"
        if importlib.util.find_spec(module) is not None:
            found.append(path("", include(module)))
    return found


urlpatterns: list[URLPattern | URLResolver] = [
    *_present("reviews", "access", "runs", "determinations"),
    path("", include("slipway.desk.accounts.urls")),
    path("", include("slipway.desk.records.urls")),
    path("accounts/", include("allauth.urls")),
    path("api/v1/", api.urls),
    path("api/docs", pages.api_docs, name="api_docs"),
    path("keyboard/", pages.keyboard, name="keyboard"),
    path("healthz", pages.healthz, name="healthz"),
    path("", pages.home, name="home"),
]
if settings.DEBUG:
    # Read-only, and only where somebody works on the desk itself: an admin is no way to run reviews.
    urlpatterns.append(path("admin/", admin.site.urls))

handler400 = "slipway.desk.project.errors.bad_request"
handler403 = "slipway.desk.project.errors.forbidden"
handler404 = "slipway.desk.project.errors.not_found"
handler500 = "slipway.desk.project.errors.server_error"
