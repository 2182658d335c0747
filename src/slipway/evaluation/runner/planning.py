"""A run's plan: everything that decides what will be measured, fixed and registered before the first call.

What an attempt may use, on what it runs and with which software are recorded as
the *effective* values, after all defaults. The decision rule is deliberately not
here: the desk takes it from the policy pack.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from slipway.base.errors import ProblemList
from slipway.evaluation.suite import Budgets, Suite, commit, load
from slipway.evidence import canon

MAX_EPOCHS = 100
_RANGES = {
    "epochs": (1, MAX_EPOCHS),
    "workers": (1, 256),
    "samples_at_once": (1, 256),
    "seed": (0, 2**53 - 1),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How the endpoint is spoken to and when a run gives up on it.

    ``request_seconds`` bounds one call, ``retries`` how often it is tried again,
    ``give_up_after`` how many attempts in a row may be lost to the endpoint
    before the run stops as incomplete.
    """

    request_seconds: int = 120
    retries: int = 2
    give_up_after: int = 3
    tool_seconds: int = 30
    max_output_tokens: int = 4096

    def as_dict(self) -> dict[str, int]:
        """Return the limits for the plan."""
        return {
            "request_seconds": self.request_seconds,
            "retries": self.retries,
            "give_up_after": self.give_up_after,
            "tool_seconds": self.tool_seconds,
            "max_output_tokens": self.max_output_tokens,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """A frozen plan. ``suite_source`` is the name or folder it was loaded from on this machine."""

    suite_source: str
    suite: Mapping[str, Any]
    review: str
    grant: str
    model_alias: str
    epochs: int
    seed: int
    budgets: Budgets
    limits: Limits
    workers: int
    samples_at_once: int
    sandbox: Mapping[str, Any]
    stream: bool = False
    software: Mapping[str, str] = field(default_factory=dict)

    @property
    def attempts(self) -> int:
        """Number of planned attempts."""
        return len(self.suite["items"]) * self.epochs

    @property
    def items(self) -> tuple[tuple[str, str, str], ...]:
        """(id, family, domain) of every item, in plan order."""
        return tuple((i["id"], i["family"], i["domain"]) for i in self.suite["items"])

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as registered with the desk."""
        return {
            "suite": dict(self.suite),
            "epochs": self.epochs,
            "model_alias": self.model_alias,
            "grant": self.grant,
            "sandbox": dict(self.sandbox),
            "budgets": self.budgets.as_dict(),
            "seed": self.seed,
            "software": dict(self.software),
            "effective": {
                **self.limits.as_dict(),
                "workers": self.workers,
                "samples_at_once": self.samples_at_once,
                "stream": self.stream,
                "agent": "basic loop with one bash tool and submit",
            },
        }

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the registered plan's canonical JSON."""
        return hashlib.sha256(canon.dumps(self.as_dict())).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return everything needed to resume, for ``plan.json`` in the run's folder."""
        return {"suite_source": self.suite_source, "review": self.review, "plan": self.as_dict()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read ``plan.json`` back."""
        plan, effective = data["plan"], data["plan"]["effective"]
        budgets = plan["budgets"]
        names = ("request_seconds", "retries", "give_up_after", "tool_seconds", "max_output_tokens")
        return cls(
            suite_source=data["suite_source"],
            suite=plan["suite"],
            review=data["review"],
            grant=plan["grant"],
            model_alias=plan["model_alias"],
            epochs=plan["epochs"],
            seed=plan["seed"],
            budgets=Budgets(budgets["messages"], budgets["tokens"], budgets["seconds"]),
            limits=Limits(**{name: effective[name] for name in names}),
            workers=effective["workers"],
            samples_at_once=effective["samples_at_once"],
            sandbox=plan["sandbox"],
            stream=effective["stream"],
            software=plan["software"],
        )


def software() -> dict[str, str]:
    """Return the versions that shape a run."""
    return {
        "slipway": metadata.version("slipway"),
        "inspect_ai": metadata.version("inspect_ai"),
        "python": platform.python_version(),
    }


def make(
    *,
    suite: str = "starter",
    review: str,
    grant: str,
    model_alias: str,
    epochs: int | None = None,
    seed: int = 0,
    workers: int = 2,
    samples_at_once: int = 2,
    limits: Limits | None = None,
    stream: bool = False,
    items: tuple[str, ...] = (),
    secret: bytes | None = None,
    sandbox: Mapping[str, Any] | None = None,
) -> Plan:
    """Make a plan; raise InvalidInput with every problem found.

    ``items`` restricts a run to some items of the suite (the commitment still
    covers all of it, the plan lists the chosen ones). ``secret`` is needed for
    a sealed suite only.
    """
    loaded: Suite = load(suite)
    chosen_epochs = loaded.epochs if epochs is None else epochs
    numbers = {"epochs": chosen_epochs, "workers": workers, "samples_at_once": samples_at_once, "seed": seed}
    _check(loaded, numbers, items, {"model_alias": model_alias, "grant": grant})
    committed = commit(loaded, secret).as_dict()
    if items:
        committed["items"] = [i for i in committed["items"] if i["id"] in items]
    return Plan(
        suite_source=suite,
        suite=committed,
        review=review,
        grant=grant,
        model_alias=model_alias,
        epochs=chosen_epochs,
        seed=seed,
        budgets=loaded.budgets,
        limits=limits or Limits(),
        workers=workers,
        samples_at_once=samples_at_once,
        sandbox={"min_tier": loaded.min_tier, "egress": "none", **(sandbox or {})},
        stream=stream,
        software=software(),
    )


def _check(
    loaded: Suite, numbers: Mapping[str, int], items: tuple[str, ...], texts: Mapping[str, str]
) -> None:
    """Raise InvalidInput with everything that is wrong with what was asked for."""
    problems = ProblemList("run plan")
    for name, value in numbers.items():
        low, high = _RANGES[name]
        if not low <= value <= high:
            problems.add(name, f"{value} is out of range", f"give a whole number from {low} to {high}")
    known = {item.id for item in loaded.items}
    for item in items:
        if item not in known:
            problems.add(
                "items", f"{item!r} is not in suite {loaded.name}", f"use some of: {', '.join(sorted(known))}"
            )
    for name, text in texts.items():
        if not text:
            problems.add(name, "is empty", f"give the {name.replace('_', ' ')} as the grant states it")
    problems.raise_if_any()
