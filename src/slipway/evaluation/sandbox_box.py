"""The pure sandbox as a :class:`~slipway.evaluation.scoring.Box`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slipway.evaluation.sandbox import Sandbox
from slipway.evaluation.sandbox.errors import OutputLimitExceeded
from slipway.evaluation.scoring import HOME, Ran


class SandboxBox:
    """Runs setup and scorers on a :class:`~slipway.evaluation.sandbox.Sandbox`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def run(
        self,
        cmd: Sequence[str],
        *,
        user: str,
        seconds: int,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run a command; running out of time or output is a result, not an error."""
        cwd = "/" if user == "root" else HOME
        try:
            ran = await self._sandbox.exec(
                list(cmd), input=stdin, cwd=cwd, env=env, user=user, timeout=seconds
            )
        except TimeoutError:
            return Ran(124, "", f"ran out of {seconds} s")
        except OutputLimitExceeded as error:
            return Ran(125, "", str(error))
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    async def read(self, path: str) -> bytes | None:
        """Return a file's content, or None."""
        try:
            return await self._sandbox.read_file(path, text=False, user="root")
        except (OSError, OutputLimitExceeded):
            return None

    async def write(self, path: str, data: bytes) -> None:
        """Write a file that belongs to root, so that the model's user cannot change it."""
        await self._sandbox.write_file(path, data, user="root")
