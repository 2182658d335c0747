"""Escape and egress attempts, run *inside* a sandbox. Each tells whether it was permitted, and harms nothing.

This folder is packed into a zip and run there by the sandbox's own Python; it uses the standard library only
and imports its own parts relatively, because there is no ``slipway`` inside. ``run NAME…`` reads what the
host tells it (JSON on standard input) and prints one JSON line per attempt: ``{"name", "out", "detail"}``.
Every attempt runs in a child of its own, so that a filter that kills it kills no other. What writes, opens
for writing and closes; what sets, sets the value that is there; what would leave, asks the kernel for a
route or talks to the host's own canary.
"""
