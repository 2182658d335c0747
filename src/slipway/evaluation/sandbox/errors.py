"""What can go wrong with a sandbox, each a typed error with its own code."""

from __future__ import annotations

from slipway.base.errors import Exit, InvalidInput, Problem, Refused, SlipwayError, Unavailable


class SandboxUnsupported(Refused):
    """This machine cannot give a sandbox of the wanted tier; the message says in one line what is missing."""

    code = "sandbox.unsupported"


class SandboxUnavailable(Unavailable):
    """A sandbox did not start, is not running any more, or cannot take another command."""

    code = "sandbox.unavailable"


class OutputLimitExceeded(SlipwayError):
    """A command wrote, or a file holds, more than the limit; the command was killed.

    ``limit`` is in bytes, ``truncated`` what had arrived (empty for files).
    """

    code = "sandbox.output_limit"
    exit_code = Exit.REFUSED

    def __init__(self, limit: int, truncated: bytes = b"") -> None:
        super().__init__(f"more than {limit} bytes came out of the sandbox")
        self.limit = limit
        self.truncated = truncated


class UserNotFound(InvalidInput):
    """The sandbox has no user of that name."""

    code = "sandbox.no_such_user"

    def __init__(self, user: str) -> None:
        self.user = user
        super().__init__(
            [
                Problem(
                    "user", f"the sandbox has no user {user!r}", "name one of its /etc/passwd, or a number"
                )
            ],
            what="sandbox user",
        )
