"""Forms of reviews. They only show fields; what is right is said by the readers in ``inputs.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.forms.utils import ErrorDict

from slipway.base.errors import InvalidInput
from slipway.desk.reviews.inputs import RELEASE_KINDS
from slipway.desk.theme.forms import add_problems
from slipway.programme import packs
from slipway.programme.stages import Stage

T = TypeVar("T")


class ReadForm(forms.Form):
    """A form whose fields are checked by a reader, so that pages and API say the same about an input.

    ``required`` on a field marks it for people and for the browser; the
    server's answer about it comes from the reader alone.
    """

    def given(self) -> dict[str, Any]:
        """Return the values as they were sent."""
        return {name: self.data.get(self.add_prefix(name)) for name in self.fields}

    def submit(self, act: Callable[[dict[str, Any]], T]) -> T | None:
        """Return what ``act`` makes of the values; None when problems were put beside the fields."""
        self.full_clean()
        self._errors = ErrorDict()
        try:
            return act(self.given())
        except InvalidInput as error:
            add_problems(self, error)
            return None


def _day(**more: Any) -> forms.DateField:
    return forms.DateField(widget=forms.DateInput(attrs={"type": "date"}), required=False, **more)


def instant_field(**more: Any) -> forms.CharField:
    """Return a field for an instant in UTC."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"})
    return forms.CharField(widget=widget, required=False, **more)


def area(rows: int = 4) -> forms.Textarea:
    """Return a text area of ``rows`` lines."""
    return forms.Textarea(attrs={"rows": rows})


class NewReviewForm(ReadForm):
    """A new review."""

    codename = forms.CharField(
        max_length=80, label="Code name", help_text="What everybody calls it before its name is public."
    )
    model_name = forms.CharField(
        max_length=120, label="Model name", help_text="Seen by the parties of the review only."
    )
    summary = forms.CharField(
        widget=area(), required=False, label="What is offered", help_text="A few sentences for the agency."
    )
    pack = forms.ChoiceField(
        label="Policy pack", help_text="Fixes the window, the terms and the decision rule."
    )
    planned_release = _day(
        label="Planned release", help_text="Optional. The window will not be opened beyond this day."
    )
    draft_id = forms.CharField(widget=forms.HiddenInput(), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["pack"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(name, f"{packs.load(name).title} ({name})") for name in packs.available()]


class OfferForm(ReadForm):
    """Which agency is asked."""

    agency = forms.ChoiceField(label="Agency")

    def __init__(self, *args: Any, agencies: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["agency"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = agencies


class DeclineForm(ReadForm):
    """Why one's own part is declined."""

    reason = forms.CharField(widget=area(3), label="Reason", help_text="The developer reads this.")


class OpenForm(ReadForm):
    """How long access is to be open."""

    days = forms.IntegerField(min_value=1, required=False, label="Days")
    closes = instant_field(label="or closes at (UTC)")


class MoveForm(ReadForm):
    """A new end of the window."""

    closes = instant_field(label="New end (UTC)")
    days = forms.IntegerField(min_value=1, required=False, label="or days")


class ReleaseForm(ReadForm):
    """To whom the model is released, confirmed by typing the review's number."""

    kind = forms.ChoiceField(
        label="Release to", choices=[(k, k) for k in RELEASE_KINDS], widget=forms.RadioSelect
    )
    confirm = forms.CharField(max_length=20, label="Type the review's number to confirm")

    def __init__(self, *args: Any, kinds: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["kind"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = kinds


class WithdrawForm(ReadForm):
    """Why, confirmed by typing the review's number."""

    reason = forms.CharField(widget=area(3), label="Reason", help_text="The agency reads this.")
    confirm = forms.CharField(max_length=20, label="Type the review's number to confirm")


class FilterForm(forms.Form):
    """What the list is narrowed to; it stands in the address."""

    q = forms.CharField(
        required=False,
        label="Code name, model or number",
        max_length=200,
        widget=forms.TextInput(attrs={"data-filter": ""}),
    )
    stage = forms.ChoiceField(required=False, choices=[("", "any stage"), *((str(s), str(s)) for s in Stage)])
    agency = forms.CharField(required=False, label="Agency (short name)", max_length=40)
