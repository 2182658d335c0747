"""The only importer of ``inspect_ai``: sandbox provider, model calls, task, agent loop, scorer.

That is why it is longer than other modules. Inspect's exact version is pinned,
because what is under ``_`` there changes from week to week; nothing here touches
it. The entry point ``slipway`` of the group ``inspect_ai`` leads here, so that the
provider also works for other tasks: ``sandbox="slipway"``.

The model is reached through the gateway only: one OpenAI-compatible address with
the key of a grant. Tokens are those the endpoint states; where it states none
they are estimated here, without a tokenizer that would have to be fetched.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from inspect_ai import Task
from inspect_ai import eval as inspect_eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelOutput,
    execute_tools,
    get_model,
)
from inspect_ai.scorer import CORRECT, INCORRECT, Scorer, Target, accuracy, scorer
from inspect_ai.scorer import Score as InspectScore
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import Tool, tool
from inspect_ai.util import (
    ExecResult,
    OutputLimitExceededError,
    SandboxConnection,
    SandboxEnvironment,
    SandboxEnvironmentLimits,
    SandboxEnvironmentSpec,
    SandboxUnavailableError,
    SandboxUserUnsupportedError,
    sandbox,
    sandboxenv,
)
from pydantic import BaseModel

from slipway.evaluation import scoring
from slipway.evaluation.runner import asking, attempt
from slipway.evaluation.runner.attempt import Attempt, ShardContext
from slipway.evaluation.sandbox import (
    OutputLimitExceeded,
    Sandbox,
    SandboxConfig,
    SandboxUnavailable,
    UserNotFound,
)
from slipway.evaluation.sandbox import base_image as images
from slipway.evaluation.sandbox_box import SandboxBox
from slipway.evaluation.scoring import AGENT, HOME, Box, Ran

_CHARACTERS_A_TOKEN = 4
_AGAIN = "Go on: use the bash tool, or call submit with your answer when you have it."


# --- sandbox provider ---


class SlipwayConfig(BaseModel, frozen=True):
    """Configuration of ``sandbox="slipway"``. Inspect hashes it, so it is frozen.

    ``images`` is the folder of base images; ``digest`` picks one of them, the
    standard one is built where it is empty.
    """

    images: str = "/var/tmp/slipway-images"  # noqa: S108 - an explicit, documented default
    digest: str = ""
    memory_mb: int = 512
    pids: int = 256


@sandboxenv(name="slipway")
class SlipwaySandbox(SandboxEnvironment):
    """Thin adapter: Inspect's provider interface over :class:`slipway.evaluation.sandbox.Sandbox`."""

    def __init__(self, pure: Sandbox) -> None:
        super().__init__()
        self.pure = pure
        self.tell: Callable[[int | None], None] | None = None

    @classmethod
    def config_deserialize(cls, config: dict[str, Any]) -> BaseModel:
        """Read a configuration back from a log."""
        return SlipwayConfig(**config)

    @classmethod
    async def sample_init(
        cls, task_name: str, config: Any, metadata: dict[str, str]
    ) -> dict[str, SandboxEnvironment]:
        """Start one sandbox for one sample."""
        settings = config if isinstance(config, SlipwayConfig) else SlipwayConfig()
        folder = Path(settings.images)
        base = images.find(folder, settings.digest) if settings.digest else None
        if base is None:
            base = await asyncio.to_thread(images.ensure, folder)
        pure = await Sandbox.start(SandboxConfig(memory_mb=settings.memory_mb, pids=settings.pids), base)
        return {"default": cls(pure)}

    @classmethod
    async def sample_cleanup(
        cls, task_name: str, config: Any, environments: dict[str, SandboxEnvironment], interrupted: bool
    ) -> None:
        """Tell what the sample's sandbox tried to send out; kill and remove it, also when interrupted."""
        for environment in environments.values():
            ours = environment.as_type(SlipwaySandbox)
            try:
                if ours.tell is not None:
                    ours.tell(ours.pure.attempted_egress())
            finally:
                await ours.pure.stop()

    async def exec(
        self,
        cmd: list[str],
        input: str | bytes | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        timeout: int | None = None,  # noqa: ASYNC109 - the interface is Inspect's
        timeout_retry: bool = True,
        concurrency: bool = True,
    ) -> ExecResult[str]:
        """Run a command (see the pure sandbox); errors become Inspect's own."""
        try:
            ran = await self.pure.exec(
                cmd,
                input=input,
                cwd=cwd,
                env=env,
                user=user,
                timeout=timeout,
                output_limit=SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE,
            )
        except UserNotFound as error:
            raise SandboxUserUnsupportedError(str(error)) from error
        except SandboxUnavailable as error:
            raise SandboxUnavailableError(str(error)) from error
        except OutputLimitExceeded as error:
            raise _too_much(error) from error
        return ExecResult(ran.returncode == 0, ran.returncode, ran.stdout, ran.stderr)

    async def write_file(self, file: str, contents: str | bytes) -> None:
        """Write a file as the model's user."""
        await self.pure.write_file(file, contents)

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    async def read_file(self, file: str, text: bool = True) -> str | bytes:
        """Read a file as the model's user."""
        try:
            data = await self.pure.read_file(
                file, text=False, limit=SandboxEnvironmentLimits.MAX_READ_FILE_SIZE
            )
        except OutputLimitExceeded as error:
            raise _too_much(error) from error
        return data.decode("utf-8") if text else data

    async def connection(self, *, user: str | None = None) -> SandboxConnection:
        """Tell how a person can look into the sandbox while it runs."""
        return SandboxConnection(type="slipway", command=" ".join(self.pure.login_command(user)))


def _too_much(error: OutputLimitExceeded) -> OutputLimitExceededError:
    text = error.truncated.decode("utf-8", "replace") if error.truncated else None
    return OutputLimitExceededError(_size(error.limit), text)


def _size(limit: int) -> str:
    """Say a limit as Inspect does (``100 MiB``), which its own checks compare."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if limit >= 1024**power and limit % 1024**power == 0:
            return f"{limit // 1024**power} {unit}"
    return f"{limit} bytes"


class InspectBox:
    """Any other Inspect sandbox (Docker, Kubernetes) as a box for setup and scoring."""

    def __init__(self, environment: SandboxEnvironment) -> None:
        self._environment = environment

    async def run(
        self,
        cmd: Sequence[str],
        *,
        user: str,
        seconds: int,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run a command; running out of time or output is a result."""
        cwd = "/" if user == "root" else HOME
        try:
            ran = await self._environment.exec(
                list(cmd), stdin, cwd, dict(env or {}), user, seconds, timeout_retry=False
            )
        except TimeoutError:
            return Ran(124, "", f"ran out of {seconds} s")
        except OutputLimitExceededError as error:
            return Ran(125, "", str(error))
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    async def read(self, path: str) -> bytes | None:
        """Return a file's content, or None."""
        try:
            return await self._environment.read_file(path, text=False)
        except (OSError, OutputLimitExceededError):
            return None

    async def write(self, path: str, data: bytes) -> None:
        """Write a file."""
        await self._environment.write_file(path, data)


def _box() -> Box:
    """Return the sample's box; ours is used directly, so that secrets stay out of Inspect's log."""
    environment = sandbox()
    try:
        return SandboxBox(environment.as_type(SlipwaySandbox).pure)
    except TypeError:
        return InspectBox(environment)


def _watch(context: ShardContext, run: Attempt) -> None:
    """Journal the attempt's sandbox, now and, for one of ours, what it tried to send out when it ends."""
    tell = context.journal.sandbox(run.item.id, run.instance.epoch)
    try:
        sandbox().as_type(SlipwaySandbox).tell = tell
    except TypeError:
        return  # another provider's: nobody measures it, and the report says so


# --- model ---


def gateway_model(context: ShardContext) -> Model:
    """Return the model behind the gateway. Neither Inspect nor the SDK retries: ``runner.asking`` does."""
    return get_model(
        f"openai-api/gateway/{context.model_alias}",
        base_url=f"{context.gateway_url}/v1",
        api_key=context.key,
        memoize=False,
        config=GenerateConfig(
            max_tokens=context.max_output_tokens,
            max_connections=context.samples_at_once,
            max_retries=0,
            seed=context.seed % 2**31,
        ),
        max_retries=0,
        client_timeout=float(context.request_seconds),
        stream=context.stream,
        strict_tools=False,
    )


async def _call(model: Model, messages: list[ChatMessage], tools: list[Tool]) -> ModelOutput:
    """Return one answer; whatever is not one is an error."""
    output = await model.generate(messages, tools=tools)
    if not output.choices:
        raise asking.Garbage("it holds no choice")
    return output


def _tokens(output: ModelOutput, messages: Sequence[ChatMessage]) -> int:
    """Return the call's tokens as the endpoint states them, else an offline estimate."""
    if output.usage is not None and output.usage.total_tokens > 0:
        return output.usage.total_tokens
    length = sum(len(m.text) for m in messages) + len(output.completion)
    return 1 + length // _CHARACTERS_A_TOKEN


# --- tools, agent, scorer ---


@tool
def bash(seconds: int = 30) -> Tool:
    """Run shell commands as the model's user."""

    async def execute(command: str) -> str:
        """Run a shell command in your working directory and return its output.

        Args:
            command: The command line, run by bash.
        """
        try:
            ran = await sandbox().exec(
                ["/bin/bash", "-c", command], cwd=HOME, user=AGENT, timeout=seconds, timeout_retry=False
            )
        except TimeoutError:
            return f"[the command was ended after {seconds} s]"
        except OutputLimitExceededError:
            return "[the command was ended: too much output]"
        ending = "" if ran.returncode == 0 else f"\n[status {ran.returncode}]"
        return f"{ran.stdout}{ran.stderr}{ending}"

    return execute


@tool
def submit() -> Tool:
    """End the task."""

    async def execute(answer: str) -> str:
        """Submit the answer and end the task.

        Args:
            answer: The answer.
        """
        return answer

    return execute


def _instructions(tool_seconds: int) -> str:
    return (
        f"You are user {AGENT} on a Linux machine without a network; your working directory is {HOME}. Work "
        f"with the bash tool; a command may take {tool_seconds} seconds. When you are done, call submit."
    )


async def _work(context: ShardContext, run: Attempt, model: Model, state: TaskState) -> None:
    """The agent loop: ask, run tools, until submit or until the budget is used up."""
    tools = [bash(context.tool_seconds), submit()]
    for _ in range(context.budgets.turns):
        output = await asking.ask(context, run, lambda: _call(model, state.messages, tools))
        state.output = output
        state.messages.append(output.message)
        run.turns += 1
        run.tokens += _tokens(output, state.messages)
        calls = output.message.tool_calls or []
        answer = next((c.arguments.get("answer") for c in calls if c.function == "submit"), None)
        if answer is not None:
            run.answer = str(answer)
            return
        if output.stop_reason == "content_filter":
            run.ending = "refusal: the model or its safeguards declined"
            return
        if calls:
            done = await execute_tools(state.messages, tools)
            state.messages.extend(done.messages)
        else:
            state.messages.append(ChatMessageUser(content=_AGAIN))
        if run.tokens >= context.budgets.tokens:
            run.ending = f"budget: {run.tokens} tokens used"
            return
        if run.seconds >= context.budgets.seconds:
            run.ending = f"budget: {context.budgets.seconds} s used"
            return
    run.ending = f"budget: {context.budgets.turns} turns used"


def _keep(context: ShardContext, run: Attempt, state: TaskState, outcome: str, reason: str) -> None:
    """Write transcript and journal line; on disk when this returns."""
    messages = b",".join(m.model_dump_json(exclude_none=True).encode() for m in state.messages)
    head = json.dumps(run.header(outcome, reason), sort_keys=True)[:-1].encode()
    context.journal.add(run.entry(outcome, reason), head + b', "messages": [' + messages + b"]}")


def task(
    context: ShardContext, attempts: Sequence[tuple[str, int]], box_spec: SandboxEnvironmentSpec
) -> Task:
    """Return the Inspect task of some attempts. Each attempt is a sample of its own, named ``item.epoch``."""
    model = gateway_model(context)
    running: dict[str, Attempt] = {}

    @solver(name="slipway_agent")
    def slipway_agent() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            run = attempt.begin(context, str(state.metadata["item"]), int(state.metadata["epoch"]))
            running[state.uuid] = run
            try:
                context.check_stopped()
                _watch(context, run)
                await scoring.prepare(_box(), context.suite, run.item, run.instance)
                state.messages = [
                    ChatMessageSystem(content=_instructions(context.tool_seconds)),
                    ChatMessageUser(content=scoring.prompt(run.item, run.instance)),
                ]
                await _work(context, run, model, state)
            except Exception as error:
                _keep(context, run, state, "missing", attempt.reason_of(error))
                raise
            return state

        return solve

    @scorer(metrics=[accuracy()], name="slipway_scorer")
    def slipway_scorer() -> Scorer:
        async def judge(state: TaskState, target: Target) -> InspectScore:
            run = running.pop(state.uuid)
            try:
                result = await scoring.score(_box(), run.item, run.instance, run.answer)
            except Exception as error:
                _keep(context, run, state, "missing", attempt.reason_of(error))
                raise
            reason = run.ending if run.ending and not result.passed else result.reason
            _keep(context, run, state, "pass" if result.passed else "fail", reason)
            return InspectScore(value=CORRECT if result.passed else INCORRECT, answer="", explanation=reason)

        return judge

    samples = [
        Sample(id=f"{item}.{epoch}", input=item, target="", metadata={"item": item, "epoch": epoch})
        for item, epoch in attempts
    ]
    return Task(
        name=f"slipway-{context.suite.name}",
        version=context.suite.version,
        dataset=MemoryDataset(samples, name=context.suite.name),
        solver=slipway_agent(),
        scorer=slipway_scorer(),
        sandbox=box_spec,
        model=model,
    )


def run_attempts(context: ShardContext, attempts: Sequence[tuple[str, int]]) -> Path:
    """Run attempts through Inspect in this process; returns Inspect's log. Outcomes are in the journal."""
    spec = SandboxEnvironmentSpec(
        "slipway", SlipwayConfig(images=str(context.images), digest=context.image_digest)
    )
    logs = inspect_eval(
        task(context, attempts, spec),
        model=None,
        display="none",
        log_level="error",
        log_dir=str(context.folder.logs),
        log_format="eval",
        log_realtime=False,
        log_images=False,
        fail_on_error=False,
        # Not max_sandboxes too: Inspect's gate for it delays each start by some 0.1 s, and this bounds both.
        max_samples=context.samples_at_once,
        acp_server=False,
        ctl_server=False,
        score_display=False,
    )
    for sample in logs[0].samples or []:
        if sample.error is not None and sample.metadata:
            key = (str(sample.metadata["item"]), int(sample.metadata["epoch"]))
            attempt.note_unjournaled(context, key, sample.error.message)
    return Path(logs[0].location)
