"""Organisations, people, memberships, tokens; who is looking."""
