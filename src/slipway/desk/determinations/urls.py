"""Addresses of determinations and reports."""

from __future__ import annotations

from django.urls import path

from slipway.desk.determinations import pages

urlpatterns = [
    path("reviews/<str:ref>/determination/", pages.determination, name="review_determination"),
    path("reviews/<str:ref>/report/", pages.report, name="review_report"),
    path("reviews/<str:ref>/report/<str:kind>/", pages.download, name="review_report_file"),
]
