"""Asking the model: one call at a time, tried again within the plan's limits, never for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import openai

from slipway.evaluation.runner.attempt import Attempt, ShardContext
from slipway.evaluation.runner.endpoint import (
    Failure,
    Fate,
    from_status,
    from_stream,
    garbage,
    timed_out,
    unreachable,
)

T = TypeVar("T")

RATE_LIMIT_SECONDS = 900.0
"""How long one attempt may wait for rate limits altogether."""


class Garbage(Exception):
    """The endpoint answered with something that is not a chat completion."""


async def ask(context: ShardContext, attempt: Attempt, call: Callable[[], Awaitable[T]]) -> T:
    """Return the answer of ``call``; raises AttemptLost where none came.

    Waiting for a rate limit is not a failed try and does not count against the
    attempt's own time.
    """
    tries, waited = 0, 0.0
    while True:
        context.check_stopped()
        failure, answer = await _once(context, call)
        if failure is None:
            context.answered()
            assert answer is not None
            return answer
        limited = failure.wait is not None or "429" in failure.code or "rate_limit" in failure.code
        tries += 0 if limited else 1
        if failure.fate is not Fate.RETRY or tries > context.retries or waited > RATE_LIMIT_SECONDS:
            raise context.lost(failure)
        pause = failure.wait if failure.wait is not None else min(8.0, 0.25 * 2 ** max(tries, 1))
        waited += pause
        attempt.waited += pause
        await asyncio.sleep(pause)


async def _once(context: ShardContext, call: Callable[[], Awaitable[T]]) -> tuple[Failure | None, T | None]:
    seconds = float(context.request_seconds)
    try:
        # The SDK's own time bounds each read; a server that drips bytes for ever needs this one.
        async with asyncio.timeout(seconds + 5):
            return None, await call()
    except Exception as error:
        return failure_of(error, seconds), None


def failure_of(error: BaseException, seconds: float) -> Failure:
    """Read what went wrong from the first error of the chain that says it."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, TimeoutError | openai.APITimeoutError):
            return timed_out(seconds)
        if isinstance(link, openai.APIStatusError):
            body = link.body if isinstance(link.body, dict) else {}
            message = str(body.get("message") or link.message)
            code = str(body.get("code") or body.get("type") or "")
            return from_status(link.status_code, code, message, link.response.headers.get("retry-after"))
        if isinstance(link, openai.APIConnectionError | ConnectionError):
            return unreachable(str(link.__cause__ or link))
        if isinstance(link, openai.APIError) and link.code:
            return from_stream(str(link.code), link.message)
        link = link.__cause__ or link.__context__
    return garbage(f"{type(error).__name__}: {error}")
