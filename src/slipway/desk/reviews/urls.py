"""Addresses of reviews."""

from __future__ import annotations

from django.urls import path

from slipway.desk.reviews import pages

urlpatterns = [
    path("", pages.index, name="inbox"),
    path("reviews/", pages.listing, name="reviews"),
    path("reviews/new/", pages.new, name="review_new"),
    path("reviews/<str:ref>/", pages.overview, name="review"),
    path("reviews/<str:ref>/offer/", pages.offer, name="review_offer"),
    path("reviews/<str:ref>/terms/", pages.terms, name="review_terms"),
    path("reviews/<str:ref>/window/", pages.window, name="review_window"),
    path("reviews/<str:ref>/release/", pages.release, name="review_release"),
    path("reviews/<str:ref>/withdraw/", pages.withdraw, name="review_withdraw"),
    path("reviews/<str:ref>/timeline/", pages.timeline, name="review_timeline"),
]
