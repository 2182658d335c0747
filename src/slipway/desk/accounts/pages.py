"""Pages of accounts: who I am, my organisation, my tokens, the one-time welcome."""

from __future__ import annotations

from allauth.account.internal.flows.login import record_authentication
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from slipway.base.errors import InvalidInput, NotFound
from slipway.desk.accounts import actions, queries
from slipway.desk.accounts.forms import PersonForm, TokenForm, WelcomeForm
from slipway.desk.accounts.policy import ADD_PERSON, may
from slipway.desk.accounts.viewer import SESSION_ORGANISATION, Viewer, forget, viewer_of
from slipway.desk.theme.forms import add_problems


@require_safe
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show who is signed in, for whom they act, and the ways they sign in."""
    viewer = viewer_of(request)
    return render(request, "accounts/account.html", {"memberships": queries.own_memberships(viewer)})


@require_POST
@login_required
def switch(request: HttpRequest) -> HttpResponse:
    """Act for another of one's own organisations from now on."""
    wanted = request.POST.get("organisation", "")
    if all(m.organisation_id != wanted for m in queries.own_memberships(viewer_of(request))):
        raise NotFound("there is no such organisation")
    request.session[SESSION_ORGANISATION] = wanted
    forget(request)
    messages.success(request, "You now act for the organisation you chose.")
    return redirect("account")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """List the person's API tokens and make new ones; a new one's secret is shown in this answer only."""
    viewer = viewer_of(request)
    memberships = queries.own_memberships(viewer)
    form = TokenForm(request.POST or None, memberships=memberships)
    added = None
    if request.method == "POST" and form.is_valid():
        chosen = queries.membership(viewer, form.cleaned_data["membership"])
        try:
            added = actions.add_token(
                acting=_for(viewer, chosen.organisation_id, request),
                membership=chosen,
                label=form.cleaned_data["label"],
                days=form.cleaned_data["days"],
                scope=form.cleaned_data["scope"],
            )
            form = TokenForm(memberships=memberships)
        except InvalidInput as error:
            add_problems(form, error)
    status = 422 if request.method == "POST" and added is None else 200
    context = {"form": form, "added": added, "tokens": queries.tokens(viewer), "memberships": memberships}
    return render(request, "accounts/tokens.html", context, status=status)


def _for(viewer: Viewer, organisation_id: str, request: HttpRequest) -> Viewer:
    """Return the viewer acting for another of their own organisations, without switching the session."""
    from slipway.desk.accounts.viewer import of_membership

    if viewer.organisation_id == organisation_id:
        return viewer
    for membership in queries.own_memberships(viewer):
        if membership.organisation_id == organisation_id:
            return of_membership(membership, via=viewer.via)
    raise NotFound("there is no such organisation")


@require_POST
@login_required
def revoke(request: HttpRequest, token_id: str) -> HttpResponse:
    """Revoke one of one's own tokens."""
    viewer = viewer_of(request)
    token = queries.token(viewer, token_id)
    actions.revoke_token(acting=viewer, token=token)
    messages.success(request, f"“{token.label}” no longer works.")
    return redirect("tokens")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def organisation(request: HttpRequest) -> HttpResponse:
    """Show the people of the organisation; its administrator adds and removes them here."""
    viewer = viewer_of(request)
    if viewer.organisation_id is None or viewer.kind is None:
        raise NotFound("you belong to no organisation")
    home = queries.organisation(viewer.organisation_id)
    manages = may(viewer, ADD_PERSON, home)
    form = PersonForm(request.POST or None, kind=viewer.kind) if manages else None
    added = None
    if request.method == "POST":
        if form is None:
            raise NotFound("there is nothing here for you")
        if form.is_valid():
            try:
                added = actions.add_person(
                    acting=viewer,
                    email=form.cleaned_data["email"],
                    name=form.cleaned_data["name"],
                    organisation=home.slug,
                    roles=form.cleaned_data["roles"],
                )
                form = PersonForm(kind=viewer.kind)
            except InvalidInput as error:
                add_problems(form, error)
    context = {
        "organisation": home,
        "people": queries.colleagues(viewer),
        "manages": manages,
        "form": form,
        "added": added,
        "welcome": request.build_absolute_uri(added.welcome_path) if added and added.welcome_path else None,
    }
    status = 422 if request.method == "POST" and added is None else 200
    return render(request, "accounts/organisation.html", context, status=status)


@require_POST
@login_required
def end(request: HttpRequest, membership_id: str) -> HttpResponse:
    """End a colleague's membership (organisation administrators)."""
    viewer = viewer_of(request)
    membership = queries.membership(viewer, membership_id)
    actions.end_membership(acting=viewer, membership=membership)
    messages.success(request, f"{membership.person.name} no longer acts for {membership.organisation.name}.")
    return redirect("organisation")


@require_http_methods(["GET", "HEAD", "POST"])
def welcome(request: HttpRequest, secret: str) -> HttpResponse:
    """Let somebody in by a one-time link, then lead them to add a passkey.

    Opening the page spends nothing (mail scanners open links); sending the form does.
    """
    link = queries.usable_link(secret)
    if link is None:
        return render(request, "accounts/welcome_over.html", status=404)
    form = WelcomeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        password = form.cleaned_data["password"] or None
        try:
            person = actions.use_sign_in_link(acting=viewer_of(request), link=link, password=password)
        except InvalidInput as error:
            add_problems(form, error)
        else:
            login(request, person, backend="django.contrib.auth.backends.ModelBackend")
            # allauth asks for a recent sign-in before it lets a passkey be added; this was one.
            record_authentication(request, person, "sign_in_link", reauthenticated=True)
            forget(request)
            return redirect("/" if password else "mfa_add_webauthn")
    status = 422 if request.method == "POST" else 200
    return render(request, "accounts/welcome.html", {"form": form, "person": link.person}, status=status)


def closed(request: HttpRequest, **_: object) -> HttpResponse:
    """Answer for allauth's addresses that do not exist on this desk (sign-up, email by oneself)."""
    return render(request, "accounts/closed.html", status=404)
