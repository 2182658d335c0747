"""``slipway run``: measure a model through the gateway, on the evaluator's machine."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slipway.base.datadir import DataDirectory
from slipway.base.errors import Exit, InvalidInput, Problem, ProblemList
from slipway.base.ids import uuid7
from slipway.cli.client import Session, desk_url, on_desk, token_from
from slipway.cli.output import dry_run_option, emit, json_option, pairs, table

if TYPE_CHECKING:
    from slipway.evaluation.runner import Progress
    from slipway.evaluation.runner.execute import RunResult


def _key(variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        fix = f"export {variable}=slw_… (the key that `slipway review key new` printed once)"
        raise InvalidInput([Problem("--key-env", f"the environment variable {variable} is empty", fix)])
    return value


def _named_together(function: Callable[..., Any]) -> Callable[..., Any]:
    """Name a bad address of the desk, an empty token and an empty key in one answer."""

    @functools.wraps(function)
    def wrapper(*args: Any, desk: str, token_env: str, key_env: str, **kwargs: Any) -> Any:
        problems = ProblemList("run")
        for read, value in ((desk_url, desk), (token_from, token_env), (_key, key_env)):
            try:
                read(value)
            except InvalidInput as error:
                problems.extend(error.problems)
        problems.raise_if_any()
        return function(*args, desk=desk, token_env=token_env, key_env=key_env, **kwargs)

    return wrapper


def _sink() -> Callable[[Progress], None]:
    """Return where progress goes: one line that moves on a terminal, else one line a change of phase."""
    last = ""

    def moving(progress: Progress) -> None:
        text = f"{progress.phase}: {progress.message}"
        if progress.total:
            text += (
                f"  {progress.done}/{progress.total}, {progress.passed} passed, {progress.missing} missing"
            )
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def plain(progress: Progress) -> None:
        nonlocal last
        if progress.phase != last:
            last = progress.phase
            print(f"{progress.phase}: {progress.message}", file=sys.stderr, flush=True)

    return moving if sys.stderr.isatty() else plain


def _gateway(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add where the gateway is and the key of the grant."""
    function = click.option(
        "--key-env", default="SLIPWAY_KEY", show_default=True, help="Variable that holds the gateway key."
    )(function)
    return click.option(
        "--gateway", envvar="SLIPWAY_GATEWAY", default="http://127.0.0.1:8001", show_default=True,
        help="Address of the gateway.",
    )(function)  # fmt: skip


def _folders(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add where the evaluator's files are."""
    function = click.option(
        "--images", type=click.Path(path_type=Path), help="Folder of base images [DATA/bench/images]."
    )(function)
    return click.option(
        "--data", type=click.Path(path_type=Path), help="Data directory [SLIPWAY_DATA, ./slipway-data]."
    )(function)


def _images(data: Path | None, images: Path | None) -> Path:
    return images.resolve() if images else _site(data).bench / "images"


@click.group("run")
def command() -> None:
    """Measure a model through the gateway, in contained sandboxes.

    Runs on the evaluator's machine. The model is reached only through the gateway with a grant's
    key; transcripts stay here, plan, progress and outcomes go to the desk.
    """


@command.command("prepare")
@_folders
@click.option(
    "--import",
    "tar",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take the image from this tar instead of building it (a machine without a network).",
)
@click.option("--digest", help="What the imported image must have as its digest.")
@click.option("--export", type=click.Path(path_type=Path), help="Write the image into this tar as well.")
@dry_run_option
@json_option
def prepare(
    data: Path | None,
    images: Path | None,
    tar: Path | None,
    digest: str | None,
    export: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Build the sandbox's base image now, so that the first run does not wait for it.

    --import brings it in from a tar, --export writes it into one for a machine without a network.
    """
    from slipway.evaluation.sandbox import base_image

    if digest and not tar:
        raise click.UsageError("--digest goes with --import")
    folder = _images(data, images)
    if dry_run:
        have = [image.digest for image in base_image.installed(folder)]
        act = f"import {tar} into" if tar else "build in"
        emit(
            {"dry_run": True, "images": have},
            [f"would {act} {folder}; there now: {len(have)}"],
            as_json,
        )
        return
    if images is None:
        _site(data).create()
    image = base_image.import_tar(folder, tar, digest=digest) if tar else base_image.ensure(folder)
    lines = [f"base image {image.digest} is in {folder}"]
    if export:
        base_image.export_tar(image, export)
        lines.append(f"and in {export}")
    emit({"ok": True} | image.as_dict(), lines, as_json)


@command.command("start")
@click.option("--review", required=True, help="The review, like R-1.")
@click.option("--grant", required=True, help="The grant whose key is used, like G-1.")
@click.option("--suite", default="starter", show_default=True, help="Suite by name or folder.")
@click.option("--item", "items", multiple=True, help="Only these items of the suite; repeatable.")
@click.option("--epochs", type=click.IntRange(1, 100), help="Attempts an item [the suite's own number].")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the instances.")
@click.option("--workers", type=click.IntRange(1, 256), default=2, show_default=True, help="Shard processes.")
@click.option("--alias", help="Model alias [the grant's].")
@click.option("--stream", is_flag=True, help="Ask for streamed answers.")
@click.option("--run-dir", type=click.Path(path_type=Path), help="Folder of the run [DATA/bench/runs/…].")
@_folders
@_gateway
@_named_together
@on_desk(writes=True)
def start(
    session: Session, review: str, grant: str, suite: str, items: tuple[str, ...], epochs: int | None,
    seed: int, workers: int, alias: str | None, stream: bool, run_dir: Path | None, data: Path | None,
    images: Path | None, gateway: str, key_env: str,
) -> int:  # fmt: skip
    """Register a plan, show containment, run every item, report.

    Exit 6 when the run ended early: what was finished is kept, `slipway run resume` goes on.
    """
    from slipway.evaluation import runner
    from slipway.evaluation.runner import execute

    key = _key(key_env)
    shown = session.desk.get(f"/grants/{grant}")
    plan = runner.plan(
        suite=suite, review=review, grant=grant, model_alias=alias or str(shown.get("model_alias") or ""),
        epochs=epochs, seed=seed, workers=workers, stream=stream, items=items,
    )  # fmt: skip
    if session.dry_run:
        about = {
            "dry_run": True,
            "plan": plan.as_dict(),
            "plan_digest": plan.digest,
            "attempts": plan.attempts,
        }
        session.show(about, [f"would run {plan.attempts} attempts on {plan.model_alias}; plan {plan.digest}"])
        return int(Exit.OK)
    site = _site(data).create()
    base = _images(data, images)
    run_key = uuid7()
    connection = {
        "desk": session.desk.url, "gateway": gateway, "review": review, "run_key": run_key,
        "key_env": key_env, "images": str(base),
    }  # fmt: skip
    result = execute.run(
        plan,
        runner.DeskReporter(session.desk.url, session.desk.token, review, run_key),
        gateway_url=gateway, key=key, run_dir=run_dir or site.bench / "runs" / run_key,
        images=base, progress=_sink(), connection=connection,
    )  # fmt: skip
    return _say(session, result)


@command.command("resume")
@click.argument("run_dir", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
@click.option("--images", type=click.Path(path_type=Path), help="Folder of base images [the run's own].")
@click.option("--grant", default="", help="The grant whose key is used now [the plan's].")
@click.option("--gateway", envvar="SLIPWAY_GATEWAY", help="Address of the gateway [the run's own].")
@click.option("--key-env", help="Variable that holds the gateway key [the run's own].")
@on_desk(writes=True)
def resume(
    session: Session, run_dir: Path, images: Path | None, grant: str, gateway: str | None, key_env: str | None
) -> int:
    """Take up a run that ended early: finished attempts are kept, all others run.

    A window that ended took its grants with it: name the new one with --grant.
    """
    from slipway.evaluation import runner
    from slipway.evaluation.runner import execute, journal

    known = execute.connection_of(run_dir)
    key = _key(key_env or known["key_env"])
    if session.dry_run:
        standing = journal.latest(journal.open_folder(run_dir))
        kept = sum(entry["outcome"] != "missing" for entry in standing.values())
        session.show({"dry_run": True, "kept": kept}, [f"would keep {kept} attempts and run all others"])
        return int(Exit.OK)
    base = images.resolve() if images else Path(known["images"])
    reporter = runner.DeskReporter(
        session.desk.url, session.desk.token, known["review"], known["run_key"], grant=grant
    )
    result = execute.resume(
        run_dir, reporter, gateway_url=gateway or known["gateway"], key=key, images=base, progress=_sink()
    )  # fmt: skip
    return _say(session, result)


def _site(data: Path | None) -> DataDirectory:
    return DataDirectory((data or DataDirectory.default().root).resolve())


def _say(session: Session, result: RunResult) -> int:
    if sys.stderr.isatty():
        print(file=sys.stderr)
    figures = result.summary
    lines = [
        f"{result.ref}: {result.status}",
        f"{figures.passes} of {figures.scored} attempts passed",
        f"{figures.missing} of {figures.planned} attempts are missing",
    ]
    if result.reason:
        lines += [f"why: {result.reason}", f"go on with: slipway run resume {result.folder}"]
    session.show(result.as_dict(), lines)
    return int(Exit.OK if result.status == "complete" else Exit.INCOMPLETE)


@command.command("show")
@click.argument("run_ref", metavar="RUN")
@on_desk()
def show(session: Session, run_ref: str) -> None:
    """Show a run: state, progress, figures and what the rule proposes."""
    answer = session.desk.get(f"/runs/{run_ref}")
    lines = pairs(answer, ("ref", "review", "suite", "state", "registered_at", "finished_at", "disclosure"))
    lines += pairs(answer.get("progress") or {})
    proposal = answer.get("proposal")
    if proposal:
        lines.append(f"the rule proposes: {proposal.get('verdict')} (a person decides)")
        lines += [f"  {reason}" for reason in proposal.get("reasons") or ()]
    session.show(answer, lines)


@command.command("list")
@click.option("--review", required=True, help="The review, like R-1.")
@on_desk()
def list_runs(session: Session, review: str) -> None:
    """List the runs of a review."""
    answer = session.desk.get(f"/reviews/{review}/runs")
    rows = [[row.get(n) for n in ("ref", "state", "suite", "registered_at")] for row in answer["items"]]
    session.show(answer, table(rows, ("run", "state", "suite", "registered")) or ["no runs"])
