"""Forms of determinations."""

from __future__ import annotations

from typing import Any

from django import forms

from slipway.desk.determinations.inputs import REASON_CODES, VERDICTS
from slipway.desk.reviews.forms import ReadForm, area, instant_field

CONSULTATIONS = 3


class DeterminationForm(ReadForm):
    """A determination as a person writes it; room for three consultations."""

    run = forms.ChoiceField(label="Rests on")
    verdict = forms.ChoiceField(
        label="Determination", choices=[(v, v) for v in VERDICTS], widget=forms.RadioSelect
    )
    reason_code = forms.ChoiceField(label="Kind of reason", choices=list(REASON_CODES.items()))
    reason = forms.CharField(
        widget=area(5), label="Reason", help_text="Printed in the report. Write what can be defended later."
    )
    dissent = forms.CharField(
        widget=area(3), required=False, label="Dissent", help_text="If anybody differed."
    )
    expires_at = instant_field(label="Valid until (UTC)", help_text="Optional.")

    def __init__(self, *args: Any, runs: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["run"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = runs
        for number in range(1, CONSULTATIONS + 1):
            self.fields[f"office_{number}"] = forms.CharField(required=False, label=f"Office {number}")
            self.fields[f"when_{number}"] = forms.DateField(
                required=False,
                label=f"Consulted on ({number})",
                widget=forms.DateInput(attrs={"type": "date"}),
            )
            self.fields[f"note_{number}"] = forms.CharField(required=False, label=f"What it said ({number})")

    def given(self) -> dict[str, Any]:
        """Return the values with the consultations as a list, as the API takes them."""
        values = super().given()
        held = []
        for number in range(1, CONSULTATIONS + 1):
            one = {name: values.pop(f"{name}_{number}") or "" for name in ("office", "when", "note")}
            if any(one.values()):
                held.append(one)
        return {**values, "consultations": held}

    def consultation_rows(self) -> list[tuple[Any, Any, Any]]:
        """Return the fields of the consultations, three a row, for the template."""
        return [
            (self[f"office_{n}"], self[f"when_{n}"], self[f"note_{n}"]) for n in range(1, CONSULTATIONS + 1)
        ]
