"""Django application of the reviews room."""

from __future__ import annotations

from django.apps import AppConfig


class ReviewsConfig(AppConfig):
    """The reviews app of the review desk."""

    name = "slipway.desk.reviews"
    label = "reviews"
    verbose_name = "Reviews"

    def ready(self) -> None:
        """Let the records app know who may see a review's records."""
        from slipway.desk.accounts.viewer import Viewer
        from slipway.desk.records.queries import set_review_gate
        from slipway.desk.reviews.queries import visible_to

        def gate(viewer: Viewer, review_id: str) -> bool:
            return visible_to(viewer).filter(pk=review_id).exists()

        set_review_gate(gate)
