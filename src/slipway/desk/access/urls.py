"""Addresses of access."""

from __future__ import annotations

from django.urls import path

from slipway.desk.access import pages

urlpatterns = [
    path("reviews/<str:ref>/grants/", pages.grants, name="review_grants"),
    path("grants/<str:ref>/", pages.grant, name="grant"),
    path("grants/<str:ref>/act/", pages.act, name="grant_act"),
    path("grants/<str:ref>/keys/<str:key_id>/revoke/", pages.revoke_key, name="key_revoke"),
]
