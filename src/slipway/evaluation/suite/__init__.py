"""Suites: a TOML manifest, its linter, its commitments and the instances made from it. Pure."""

from slipway.evaluation.suite.commit import ItemCommitment, SuiteCommitment, commit
from slipway.evaluation.suite.instance import Instance, derive_instance
from slipway.evaluation.suite.load import available, lint, load
from slipway.evaluation.suite.manifest import Budgets, Domain, Item, Suite, ThreatStep

__all__ = [
    "Budgets",
    "Domain",
    "Instance",
    "Item",
    "ItemCommitment",
    "Suite",
    "SuiteCommitment",
    "ThreatStep",
    "available",
    "commit",
    "derive_instance",
    "lint",
    "load",
]
