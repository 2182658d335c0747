"""The peer: plain Inspect tasks, written as its users write them, without anything of our runner."""

from __future__ import annotations

import time
from typing import Any

from inspect_ai import Task
from inspect_ai import eval as inspect_eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ModelOutput, execute_tools, get_model
from inspect_ai.scorer import CORRECT, INCORRECT, Score, Scorer, Target, accuracy, match, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import Tool, tool
from inspect_ai.util import SandboxEnvironmentSpec, sandbox

from slipway.evaluation import scoring
from slipway.evaluation.inspect_bridge import SlipwayConfig, SlipwaySandbox, bash, submit
from slipway.evaluation.sandbox_box import SandboxBox
from slipway.evaluation.suite import derive_instance

_QUIET: dict[str, Any] = {
    "model": None, "display": "none", "log_level": "error", "log_realtime": False, "fail_on_error": False,
    "acp_server": False, "ctl_server": False, "score_display": False,
}  # fmt: skip


def run_alone(stand: Any) -> int:
    """Work the starter's items with the reference model by Inspect alone; returns how many were solved."""
    model = get_model(
        "openai-api/gateway/reference-model", base_url=f"{stand.url}/v1", api_key="sk-benchmark",
        memoize=False, strict_tools=False,
    )  # fmt: skip
    suite = stand.suite

    def instance_of(state: TaskState) -> Any:
        return derive_instance(b"s" * 32, 0, suite.digest, str(state.sample_id), 1)

    @solver(name="alone")
    def alone() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            item = suite.item(str(state.sample_id))
            box = SandboxBox(sandbox().as_type(SlipwaySandbox).pure)
            await scoring.prepare(box, suite, item, instance_of(state))
            state.messages = [ChatMessageUser(content=scoring.prompt(item, instance_of(state)))]
            tools = [bash(), submit()]
            for _ in range(20):
                state.output = await model.generate(state.messages, tools=tools)
                state.messages.append(state.output.message)
                calls = state.output.message.tool_calls or []
                answer = next((c.arguments["answer"] for c in calls if c.function == "submit"), None)
                if answer is not None:
                    state.output.completion = str(answer)
                    break
                state.messages.extend((await execute_tools(state.messages, tools)).messages)
            return state

        return solve

    @scorer(metrics=[accuracy()], name="alone_scorer")
    def alone_scorer() -> Scorer:
        async def judge(state: TaskState, target: Target) -> Score:
            item = suite.item(str(state.sample_id))
            box = SandboxBox(sandbox().as_type(SlipwaySandbox).pure)
            result = await scoring.score(box, item, instance_of(state), state.output.completion)
            return Score(value=CORRECT if result.passed else INCORRECT, explanation=result.reason)

        return judge

    task = Task(
        dataset=MemoryDataset([Sample(id=item, input=item) for item in stand.items]),
        solver=alone(),
        scorer=alone_scorer(),
        sandbox=_spec(stand),
        model=model,
    )
    stand.count += 1
    logs = inspect_eval(task, log_dir=str(stand.folder / f"alone-{stand.count}"), max_samples=2, **_QUIET)
    scores = [next(iter((s.scores or {}).values())).value for s in logs[0].samples or [] if s.scores]
    return scores.count(CORRECT)


def three_calls(kind: str, stand: Any, count: int) -> float:
    """Return the wall seconds of ``count`` samples with three tool calls each in a kind of sandbox."""

    @tool
    def shell() -> Tool:
        async def execute(command: str) -> str:
            """Run a command.

            Args:
                command: What to run.
            """
            return (await sandbox().exec(["/bin/sh", "-c", command])).stdout

        return execute

    @solver(name="three")
    def three() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            for number in range(3):
                call = ModelOutput.for_tool_call("mockllm/model", "shell", {"command": f"echo {number}"})
                state.messages.append(call.message)
                state.messages.extend((await execute_tools(state.messages, [shell()])).messages)
            state.output = ModelOutput.from_content("mockllm/model", "done")
            return state

        return solve

    task = Task(
        dataset=MemoryDataset([Sample(id=n + 1, input="x", target="done") for n in range(count)]),
        solver=three(),
        scorer=match(),
        sandbox=_spec(stand) if kind == "slipway" else "local",
        model=get_model("mockllm/model"),
    )
    stand.count += 1
    begun = time.monotonic()
    logs = inspect_eval(task, log_dir=str(stand.folder / f"three-{stand.count}"), max_samples=4, **_QUIET)
    spent = time.monotonic() - begun
    if logs[0].status != "success" or len(logs[0].samples or []) != count:
        raise RuntimeError(f"the {kind} sandbox did not work {count} samples: {logs[0].error}")
    return spent


def _spec(stand: Any) -> SandboxEnvironmentSpec:
    folder = str(stand.base.rootfs.parents[1])
    return SandboxEnvironmentSpec("slipway", SlipwayConfig(images=folder, digest=stand.base.digest))
