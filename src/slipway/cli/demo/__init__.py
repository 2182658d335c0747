"""``slipway demo``: one review from offer to verified report, through public interfaces only."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from slipway.base.errors import Exit, InvalidInput, NotFound, Problem, ProblemList, Unavailable
from slipway.cli.output import dry_run_option, emit, json_option

if TYPE_CHECKING:
    from slipway.cli.demo.story import Story

port = click.IntRange(0, 65535)


def _folder(data: Path | None) -> Path:
    """Return an empty folder for the site: the one named, or ``demo-data`` with a number."""
    if data is None:
        number, data = 1, Path("demo-data")
        while data.exists() and any(data.iterdir()):
            number += 1
            data = Path(f"demo-data-{number}")
    data = data.resolve()
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        fix = "name a folder that is empty or not there yet (to look at an earlier demo: slipway up --data …)"
        raise InvalidInput([Problem("--data", f"{data} is not empty", fix)])
    return data


def _check_wishes(
    pack: str, suite: str, model: str | None, api_key_env: str | None, model_name: str | None
) -> None:
    """Refuse what a later step would stumble over, before a folder is made or a process started."""
    from slipway.desk.project.settings import database
    from slipway.evaluation.suite import load as load_suite
    from slipway.programme import packs

    problems = ProblemList("the demo")
    if unfit := database.gateway_problem():
        problems.extend([unfit])
    if pack not in packs.available():
        problems.add("--pack", f"{pack!r} is unknown", f"give one of: {', '.join(packs.available())}")
    try:
        load_suite(suite)
    except InvalidInput as error:
        problems.extend(error.problems)
    except NotFound as error:
        problems.add("--suite", error.message, "see: slipway suite list")
    given = {"--model": model, "--api-key-env": api_key_env, "--model-name": model_name}
    if any(given.values()):
        for option, value in given.items():
            if not value:
                problems.add(option, "is missing", "give --model, --api-key-env and --model-name together")
    if model and not model.startswith(("http://", "https://")):
        problems.add("--model", f"{model!r} is not an address", "write it like https://models.example/v1")
    if api_key_env and not os.environ.get(api_key_env):
        problems.add("--api-key-env", f"the variable {api_key_env} is empty", f"export {api_key_env}=…")
    problems.raise_if_any()


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end(story: Story, as_json: bool, leave: bool) -> None:
    """Say what came of it, and keep the desk up until Ctrl-C unless told to leave."""
    tell, people = story.tell, story.cast.people
    tell.line()
    tell.line(f"{story.review}: {story.verdict}; the report is verified. {tell.total:.0f} s in all.")
    result = {
        "ok": True,
        "review": story.review,
        "run": story.run,
        "verdict": story.verdict,
        "bundle": str(story.bundle),
        "verification_key": story.vkey,
        "addresses": story.addresses | {"review": f"{story.addresses['desk']}/reviews/{story.review}/"},
        "people": [{"email": p.email, "password": p.password, "role": p.what} for p in people],
        "data": str(story.stage.data),
        "seconds": story.tell.seconds | {"total": tell.total},
    }
    emit(result, [], as_json)
    if leave:
        return
    tell.line(
        f"The desk stays up with the finished review at {story.addresses['desk']}/reviews/{story.review}/"
    )
    for person in people:
        tell.line(f"  sign in as {person.email}  password {person.password}  ({person.what})")
    tell.line(f"Ctrl-C ends it; later again with: slipway up --data {story.stage.data}")
    try:
        while story.stage.site_runs():
            time.sleep(0.5)
    except KeyboardInterrupt:
        return  # this is how it is meant to end
    raise Unavailable(f"the site ended by itself; see {story.stage.data / 'log'}")


@click.command("demo")
@click.option("--data", type=click.Path(path_type=Path), help="Empty folder for the site [./demo-data].")
@click.option(
    "--exit", "leave", is_flag=True, help="End when the bundle is verified; else the desk stays up."
)
@click.option("--model", metavar="URL", help="An OpenAI-compatible endpoint instead of the reference model.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds that endpoint's key.")
@click.option("--model-name", metavar="NAME", help="The model's name at that endpoint.")
@click.option("--pack", default="eo-14409", show_default=True, help="Policy pack.")
@click.option("--suite", default="starter", show_default=True, help="Suite to measure with.")
@click.option("--epochs", type=click.IntRange(1, 100), default=5, show_default=True, help="Attempts an item.")
@click.option("--skill", type=click.IntRange(0), default=7, show_default=True, help="Of the reference model.")
@click.option("--images", type=click.Path(path_type=Path), help="Folder of base images [DATA/bench/images].")
@click.option(
    "--desk-port", type=port, default=8000, show_default=True, help="Another is taken if it is in use."
)
@click.option("--gateway-port", type=port, default=8001, show_default=True, help="The same.")
@dry_run_option
@json_option
def command(
    data: Path | None, leave: bool, model: str | None, api_key_env: str | None, model_name: str | None,
    pack: str, suite: str, epochs: int, skill: int, images: Path | None, desk_port: int, gateway_port: int,
    dry_run: bool, as_json: bool,
) -> int:  # fmt: skip
    """Carry one review from offer to verified report, on this machine.

    Starts desk and gateway, then acts as a developer, an evaluator and a determination authority by
    the commands it prints. Leaves the desk up with the finished review until Ctrl-C; --exit ends.
    """
    from slipway.cli.demo.cast import invite
    from slipway.cli.demo.stage import Model, Stage, free_port
    from slipway.cli.demo.story import Story, Wishes
    from slipway.cli.demo.tell import Teller

    _check_wishes(pack, suite, model, api_key_env, model_name)
    folder = _folder(data)
    chosen = (
        Model(model.rstrip("/"), api_key_env, model_name) if model and api_key_env and model_name else None
    )
    wishes = Wishes(
        chosen, pack, suite, epochs, skill, 1, free_port(desk_port), free_port(gateway_port),
        (images or folder / "bench" / "images").resolve(),
    )  # fmt: skip
    if dry_run:
        would = {"dry_run": True, "data": str(folder), "desk_port": wishes.desk_port}
        emit(would, [f"would carry one review through a new site in {folder}"], as_json)
        return int(Exit.OK)
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    except OSError as error:
        fix = "choose a folder that can be made"
        raise InvalidInput([Problem("--data", f"{folder}: {error.strerror}", fix)]) from None
    tell = Teller(as_json=as_json)
    stage = Stage(folder, tell)
    before = signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        story = Story(stage, tell, invite(), wishes)
        story.play()
        _end(story, as_json, leave)
        return int(Exit.OK)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not leave half of it running
        stage.clear()
        signal.signal(signal.SIGTERM, before)
