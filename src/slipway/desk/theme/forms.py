"""Shows the problems of an :class:`InvalidInput` beside the fields of a form."""

from __future__ import annotations

from django import forms

from slipway.base.errors import InvalidInput


def add_problems(form: forms.BaseForm, error: InvalidInput) -> None:
    """Put each problem at its field, those of no field of the form at the top."""
    for problem in error.problems:
        name = problem.field.split(".")[0]
        words = f"{problem.problem}; {problem.fix}"
        if name in form.fields:
            form.add_error(name, words)
        else:
            form.add_error(None, f"{problem.field}: {words}")
