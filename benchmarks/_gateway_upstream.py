"""A cheap upstream for the gateway benchmark: constant answers, streams with a pause between chunks.

Run as ``python -m benchmarks._gateway_upstream PORT``. A call whose body has
``"stream":true`` gets CHUNKS chunks, one each PAUSE seconds; any other gets one
completion. Raw asyncio, so that it takes as little of the shared machine as it can.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

import uvloop

CHUNKS = 200
PAUSE = 0.02

_TEXT = "The quick brown fox jumps over the lazy dog. " * 8
_COMPLETION = json.dumps(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1795210513,
        "model": "upstream-model",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": _TEXT}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 110, "completion_tokens": 70, "total_tokens": 180},
    }
).encode()
_PLAIN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_COMPLETION)
    + _COMPLETION
)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_EVENT = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1795210513,'
    b'"model":"upstream-model","choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]}\n\n'
)
_CHUNK = b"%x\r\n%s\r\n" % (len(_EVENT), _EVENT)
_LAST = b"data: [DONE]\n\n"
_END = b"%x\r\n%s\r\n0\r\n\r\n" % (len(_LAST), _LAST)


class _Upstream(asyncio.Protocol):
    def __init__(self) -> None:
        self._data = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance check: uvloop's transports are not asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, blank, body = self._data.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._data = b""
        if b'"stream":true' in body:
            self._transport.write(_HEAD)
            self._left = CHUNKS
            asyncio.get_running_loop().call_later(PAUSE, self._next)
        else:
            self._transport.write(_PLAIN)

    def _next(self) -> None:
        if self._transport.is_closing():
            return
        if self._left:
            self._left -= 1
            self._transport.write(_CHUNK)
            asyncio.get_running_loop().call_later(PAUSE, self._next)
        else:
            self._transport.write(_END)


async def _main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
