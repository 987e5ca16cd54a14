"""What happens on the wire: an HTTP protocol whose connections can be held or torn."""

import asyncio
import contextlib
import socket
import struct
from typing import cast

from fastapi import Request, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

_LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)


class TearableProtocol(H11Protocol):
    """Uvicorn's protocol, with its transport within reach of the request's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the transport for `tear`."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def tear(request: Request) -> Response:
    """Reset the connection (RST, not FIN), as a carrier's dying load balancer does."""
    transport = cast("asyncio.Transport", request.state.transport)
    peer: socket.socket = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
    transport.abort()
    return Response(status_code=499)


async def hold(request: Request, seconds: float) -> Response:
    """Say nothing until the client gives up, at most `seconds`; then tear the connection.

    A server that ends cancels whoever it holds; that tears the connection too.
    """
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    return tear(request)
