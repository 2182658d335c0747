"""Addresses of runs."""

from __future__ import annotations

from django.urls import path

from slipway.desk.runs import pages

urlpatterns = [
    path("reviews/<str:ref>/runs/", pages.listing, name="review_runs"),
    path("runs/<str:ref>/", pages.run, name="run"),
    path("runs/<str:ref>/live/", pages.live, name="run_live"),
]
