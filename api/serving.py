"""Serves the application, and tells it in time that it is about to end."""

import asyncio
import socket

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """uvicorn, which waits for open answers before it ends: those without an end are told first."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._ending: asyncio.Event = app.state.ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Have streams end, and then the server."""
        self._ending.set()
        await super().shutdown(sockets)
