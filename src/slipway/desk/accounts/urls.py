"""Addresses of accounts. Some of allauth's are closed here, before ``allauth.urls`` is reached."""

from __future__ import annotations

from django.urls import path, re_path

from slipway.desk.accounts import pages

urlpatterns = [
    path("account/", pages.account, name="account"),
    path("account/switch/", pages.switch, name="account_switch"),
    path("account/tokens/", pages.tokens, name="tokens"),
    path("account/tokens/<str:token_id>/revoke/", pages.revoke, name="token_revoke"),
    path("account/organisation/", pages.organisation, name="organisation"),
    path("account/organisation/<str:membership_id>/end/", pages.end, name="membership_end"),
    path("account/welcome/<str:secret>/", pages.welcome, name="welcome"),
    # People are made and reached by their administrator; the desk sends no mail.
    re_path(r"^accounts/(?:signup|email|confirm-email|password/reset|login/code)(?:/.*)?$", pages.closed),
]
