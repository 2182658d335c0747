"""Request bodies of access, for the OpenAPI description."""

from __future__ import annotations

from slipway.desk.reviews.bodies import Body, Instant, Text, Texts, Whole


class PutEndpoint(Body):
    """A sealed endpoint. Its address and key never reach the desk in clear."""

    model_alias: Text = None
    sealed: Text = None
    seal_key_id: Text = None


class ProposeGrant(Body):
    """A grant; what is left out is taken from the policy pack."""

    party: Text = None
    model_alias: Text = None
    access_level: Text = None
    routes: Texts = None
    purpose: Text = None
    days: Whole = None
    not_before: Instant = None
    not_after: Instant = None
    requests_per_minute: Whole = None
    tokens_per_minute: Whole = None
    concurrency: Whole = None
    budget_requests: Whole = None
    budget_tokens: Whole = None
    content_policy: Text = None


class NewKeyLabel(Body):
    """What the key is for."""

    label: Text = None
