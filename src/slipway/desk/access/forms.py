"""Forms of access. They only show fields; what is right is said by the readers and the programme."""

from __future__ import annotations

from typing import Any

from django import forms

from slipway.desk.reviews.forms import ReadForm, instant_field
from slipway.programme.grants import CONTENT_POLICIES
from slipway.programme.packs import Pack


class GrantForm(ReadForm):
    """A proposed grant; limits that are left empty are the policy pack's defaults."""

    party = forms.ChoiceField(label="For")
    model_alias = forms.ChoiceField(label="Model")
    purpose = forms.CharField(
        max_length=500, label="Purpose", help_text="In a sentence: what the access is for."
    )
    access_level = forms.ChoiceField(label="Access level", required=False)
    days = forms.IntegerField(min_value=1, required=False, label="Days")
    not_after = instant_field(label="or ends at (UTC)")
    requests_per_minute = forms.IntegerField(min_value=1, required=False, label="Requests a minute")
    tokens_per_minute = forms.IntegerField(min_value=1, required=False, label="Tokens a minute")
    concurrency = forms.IntegerField(min_value=1, required=False, label="Requests at once")
    budget_requests = forms.IntegerField(min_value=1, required=False, label="Requests in all")
    budget_tokens = forms.IntegerField(min_value=1, required=False, label="Tokens in all")
    content_policy = forms.ChoiceField(label="What the gateway keeps of the content", required=False)

    def __init__(
        self, *args: Any, pack: Pack, parties: list[tuple[str, str]], aliases: list[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._choose("party", parties)
        self._choose("model_alias", [(a, a) for a in aliases])
        self._choose("access_level", [(level.id, level.title) for level in pack.grants.levels])
        self._choose("content_policy", [(p, CONTENT_POLICIES[p]) for p in pack.grants.content_policies])
        self.fields["days"].help_text = f"At most {pack.grants.max_days}; empty: to the end of the window."
        for name in (
            "requests_per_minute",
            "tokens_per_minute",
            "concurrency",
            "budget_requests",
            "budget_tokens",
        ):
            least, most = getattr(pack.grants.defaults, name), getattr(pack.grants.maximums, name)
            self.fields[name].help_text = f"Empty: {least:,}. At most {most:,}."

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices


class KeyForm(ReadForm):
    """What a new key is for."""

    label = forms.CharField(
        max_length=80, label="What will use it", help_text="For example: evaluator's bench."
    )


class EndpointForm(ReadForm):
    """An endpoint that the browser has sealed; the desk is sent these three fields and no other."""

    model_alias = forms.CharField(
        max_length=63, label="Alias", help_text="The name by which reviewers ask for the model."
    )
    sealed = forms.CharField(widget=forms.HiddenInput())
    seal_key_id = forms.CharField(widget=forms.HiddenInput())
