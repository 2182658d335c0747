"""Every address of the review desk. Each app keeps its own in ``<app>/urls.py``."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from slipway.desk.project import pages
from slipway.desk.project.api import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("slipway.desk.reviews.urls")),
    path("", include("slipway.desk.access.urls")),
    path("", include("slipway.desk.runs.urls")),
    path("", include("slipway.desk.determinations.urls")),
    path("", include("slipway.desk.accounts.urls")),
    path("", include("slipway.desk.records.urls")),
    path("accounts/", include("allauth.urls")),
    path("api/v1/", api.urls),
    path("api/docs", pages.api_docs, name="api_docs"),
    path("keyboard/", pages.keyboard, name="keyboard"),
    path("healthz", pages.healthz, name="healthz"),
]
if settings.DEBUG:
    # Read-only, and only where somebody works on the desk itself: an admin is no way to run reviews.
    urlpatterns.append(path("admin/", admin.site.urls))

handler400 = "slipway.desk.project.errors.bad_request"
handler403 = "slipway.desk.project.errors.forbidden"
handler404 = "slipway.desk.project.errors.not_found"
handler500 = "slipway.desk.project.errors.server_error"
