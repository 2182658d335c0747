"""Addresses of records and of the public face of the log."""

from __future__ import annotations

from django.urls import path

from slipway.desk.records import pages

urlpatterns = [
    path("records/<str:record_id>/", pages.record, name="record"),
    path("records/<str:record_id>/receipt.json", pages.receipt, name="record_receipt"),
    path("log/checkpoint", pages.checkpoint, name="log_checkpoint"),
    path("log/key", pages.key, name="log_key"),
    path("log/", pages.log, name="log"),
]
