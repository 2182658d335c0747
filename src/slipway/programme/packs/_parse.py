"""From the bytes of a pack to a :class:`Pack`, or to every problem that it has."""

from __future__ import annotations

import hashlib
import tomllib
from datetime import date

from slipway.base.errors import InvalidInput, Problem, ProblemList
from slipway.programme.controls import CONTROLS, POLICY_ONLY
from slipway.programme.grants import CONTENT_POLICIES
from slipway.programme.packs._model import (
    Clause,
    ClockRule,
    GrantRule,
    Head,
    Level,
    LimitSet,
    Obligation,
    Pack,
    Provenance,
    Source,
    Tag,
    WindowRule,
)
from slipway.programme.packs._reader import Table, unique
from slipway.programme.rule import DecisionRule, Endpoint
from slipway.programme.stages import ReleasePoint

SCHEMA = 1
MAX_BYTES = 256 * 1024
_EPOCH = date(1970, 1, 1)


def parse(data: bytes) -> Pack:
    """Read a pack. Raises :class:`InvalidInput` with every problem, each with its field and fix."""
    top = Table(_toml(data), "", ProblemList("policy pack"))
    problems = top.problems
    if top.whole("schema", SCHEMA, SCHEMA) != SCHEMA:
        problems.raise_if_any()  # the keys of another schema mean something else
    sources = _sources(top)
    refs = _Refs({source.id for source in sources})
    window = _window(top.table("window"), refs)
    partners = top.table("partner_window")
    partner_window = _window(partners, refs)
    if partner_window.counts_back_from is not ReleasePoint.PUBLIC_RELEASE:
        partners.add("counts_back_from", "partners get access after that release", 'write "public_release"')
    rule, rule_provenance = _rule(top.table("rule"), refs)
    name, version, title = top.slug("name"), top.text("version", longest=40), top.text("title", longest=200)
    pack = Pack(
        name=name,
        version=version,
        title=title,
        summary=top.text("summary"),
        date=top.day("date") or _EPOCH,
        sources=sources,
        window=window,
        partner_window=partner_window,
        grants=_grants(top.table("grants"), refs),
        terms=_terms(top, refs),
        rule=rule,
        rule_provenance=rule_provenance,
        obligations=_obligations(top, refs),
        clocks=_clocks(top, refs),
        limits=top.texts("limits", least=0),
        digest=hashlib.sha256(data).hexdigest(),
        raw=data,
    )
    top.done()
    problems.raise_if_any()
    return pack


def _toml(data: bytes) -> dict[str, object]:
    fix = "write TOML in UTF-8, as in the packs that slipway brings"
    if len(data) > MAX_BYTES:
        problem = Problem("file", f"{len(data)} bytes", f"keep a pack below {MAX_BYTES} bytes")
        raise InvalidInput([problem], what="policy pack")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start}"
    except tomllib.TOMLDecodeError as error:
        reason = f"not TOML: {error}"
    except RecursionError:
        reason = "not TOML: nested too deep"
    raise InvalidInput([Problem("file", reason, fix)], what="policy pack")


class _Refs:
    """The ids of the sources, to which each fact must refer."""

    def __init__(self, sources: set[str]) -> None:
        self._sources = sources

    def provenance(self, table: Table) -> Provenance:
        """Read where a fact comes from."""
        part = table.table("provenance")
        source = part.slug("source")
        if source and source not in self._sources:
            part.add("source", f"{source!r} is not among the sources", "name the id of one, or add it")
        found = Provenance(
            source, part.text("where", longest=200), part.day("date") or _EPOCH, part.choice("tag", Tag)
        )
        part.done()
        return found


def _sources(top: Table) -> tuple[Source, ...]:
    found = []
    paths = []
    for table in top.tables("sources"):
        found.append(
            Source(
                table.slug("id"),
                table.text("title", longest=300),
                table.day("date") or _EPOCH,
                table.choice("tag", Tag),
            )
        )
        paths.append((table.at("id"), found[-1].id))
        table.done()
    unique(paths, top.problems)
    return tuple(found)


def _window(table: Table, refs: _Refs) -> WindowRule:
    before = len(table.problems.problems)
    longest = table.whole("max_days", 1, 366)
    default = table.whole("default_days", 1, 366)
    if default > longest and len(table.problems.problems) == before:
        table.add("default_days", f"{default} is more than max_days", f"give at most {longest}")
    by = table.text("extendable_by", longest=40)
    if by and by != "developer":
        # Anybody else who could extend could also keep access open against the developer's will.
        table.add(
            "extendable_by", f"{by!r} may not extend access", 'write "developer"; there is no other choice'
        )
    rule = WindowRule(
        longest, default, table.choice("counts_back_from", ReleasePoint), by, refs.provenance(table)
    )
    table.done()
    return rule


def _limits(table: Table) -> LimitSet:
    found = LimitSet(
        requests_per_minute=table.whole("requests_per_minute", 1, 10**6),
        tokens_per_minute=table.whole("tokens_per_minute", 1, 10**10),
        concurrency=table.whole("concurrency", 1, 10**4),
        budget_requests=table.whole("budget_requests", 1, 10**9),
        budget_tokens=table.whole("budget_tokens", 1, 10**13),
    )
    table.done()
    return found


def _grants(table: Table, refs: _Refs) -> GrantRule:
    levels = []
    paths = []
    for item in table.tables("levels"):
        levels.append(Level(item.text("id", longest=20), item.text("title", longest=200)))
        paths.append((item.at("id"), levels[-1].id))
        item.done()
    unique(paths, table.problems)
    default = table.text("default_level", longest=20)
    if levels and default not in {level.id for level in levels}:
        table.add("default_level", f"{default!r} is not among the levels", "name the id of one")
    policies = table.texts("content_policies")
    for policy in policies:
        if policy not in CONTENT_POLICIES:
            table.add(
                "content_policies", f"{policy!r} is not known", f"choose among {', '.join(CONTENT_POLICIES)}"
            )
    routes = table.texts("routes")
    for route in routes:
        if not route.startswith("/v1/"):
            table.add("routes", f"{route!r} is not a route", "write it like /v1/chat/completions")
    rule = GrantRule(
        max_days=table.whole("max_days", 1, 366),
        levels=tuple(levels),
        default_level=default,
        routes=routes,
        content_policies=policies,
        defaults=_limits(table.table("defaults")),
        maximums=_limits(table.table("maximums")),
        provenance=refs.provenance(table),
    )
    for name in LimitSet.__slots__:
        least, most = getattr(rule.defaults, name), getattr(rule.maximums, name)
        if least > most and not table.problems:
            table.add(f"defaults.{name}", f"{least} is more than its maximum", f"give at most {most}")
    table.done()
    return rule


def _terms(top: Table, refs: _Refs) -> tuple[Clause, ...]:
    found = []
    paths = []
    for table in top.tables("terms"):
        control = table.text("control", longest=80)
        if control and control != POLICY_ONLY and control not in CONTROLS:
            table.add(
                "control",
                f"{control!r} is enforced nowhere",
                f'write "{POLICY_ONLY}" or one of {", ".join(CONTROLS)}',
            )
        found.append(
            Clause(
                table.slug("id"),
                table.choice("head", Head),
                table.text("title", longest=120),
                table.text("text"),
                control,
                refs.provenance(table),
            )
        )
        paths.append((table.at("id"), found[-1].id))
        table.done()
    unique(paths, top.problems)
    missing = [head for head in Head if head not in {clause.head for clause in found}]
    if missing and found:
        top.add(
            "terms",
            f"no clause for {', '.join(missing)}",
            "write at least one clause for each of the five heads",
        )
    return tuple(found)


def _rule(table: Table, refs: _Refs) -> tuple[DecisionRule, Provenance]:
    before = len(table.problems.problems)
    line = table.decimal("line", "0", "1")
    margin = table.decimal("margin", "0", "1")
    if margin > line and len(table.problems.problems) == before:
        table.add(
            "margin", f"{margin} is more than the line", f"give at most {line}, or nothing could be below it"
        )
    families = table.whole("min_families", 2, 10_000)
    rule = DecisionRule(
        endpoint=table.choice("endpoint", Endpoint),
        line=line,
        margin=margin,
        confidence=table.decimal("confidence", "0.5", "0.999"),
        min_families=families,
        min_attempts=table.whole("min_attempts", 1, 10_000),
        generalise_families=table.whole("generalise_families", families, 10_000),
    )
    provenance = refs.provenance(table)
    table.done()
    return rule, provenance


def _obligations(top: Table, refs: _Refs) -> tuple[Obligation, ...]:
    found = []
    paths = []
    for table in top.tables("obligations", least=0):
        found.append(
            Obligation(
                table.slug("id"),
                table.text("actor", longest=300),
                table.text("duty"),
                table.day("due", required=False),
                table.text("when", longest=200),
                refs.provenance(table),
            )
        )
        paths.append((table.at("id"), found[-1].id))
        table.done()
    unique(paths, top.problems)
    return tuple(found)


def _clocks(top: Table, refs: _Refs) -> tuple[ClockRule, ...]:
    found = []
    paths = []
    for table in top.tables("clocks", least=0):
        found.append(
            ClockRule(
                table.slug("id"),
                table.text("title", longest=200),
                table.text("starts_on", longest=80),
                table.text("met_by", longest=80),
                table.whole("hours", 1, 366 * 24),
                refs.provenance(table),
            )
        )
        paths.append((table.at("id"), found[-1].id))
        table.done()
    unique(paths, top.problems)
    return tuple(found)
