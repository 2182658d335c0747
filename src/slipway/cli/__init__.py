"""The command line: one file a noun, imported only when its noun is used.

Every command takes ``--json``; every command that changes something takes
``--dry-run``. Exit codes are :class:`slipway.base.errors.Exit` and are printed
by ``slipway help exit-codes``.
"""
