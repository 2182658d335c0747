"""Evaluation room: suites, sandbox, runs, statistics, dossier. Pure; one file imports ``inspect_ai``.

Import the modules you need; this package imports nothing by itself, so that
the desk can use ``stats`` and ``dossier`` without loading the test bed.
"""
