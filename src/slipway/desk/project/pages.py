"""Pages that belong to the site and to no app."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
@login_required
def keyboard(request: HttpRequest) -> HttpResponse:
    """Show the keyboard shortcuts (also where JavaScript is off)."""
    return render(request, "theme/keyboard.html")


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show the interactive reference of the REST API to people who are signed in."""
    from slipway.desk.project.api import api

    if not request.user.is_authenticated:
        from django.contrib.auth.views import redirect_to_login

        return redirect_to_login(request.get_full_path())
    return api.docs.render_page(request, api)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer ``ok`` when the database answers; for the supervisor and load balancers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok\n", content_type="text/plain")
