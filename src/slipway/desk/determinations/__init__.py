"""Determinations by a person, and the signed report, certificate and bundle built from them."""
