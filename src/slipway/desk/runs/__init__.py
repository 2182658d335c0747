"""Runs: evaluations registered before they start, their items and their recomputed statistics."""
