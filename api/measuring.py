"""Counts and times every request by the template of its route."""

from collections.abc import Mapping
from time import perf_counter

from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tellal import metrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE = "none"
_BROKEN = 500


class Measuring:
    """ASGI middleware; whatever is raised through it will be answered with 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._templates: Mapping[int, str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = _BROKEN, perf_counter()

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_see)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else metrics.OTHER
            metrics.served(method, self._template(scope), status, perf_counter() - began)

    def _template(self, scope: Scope) -> str:
        """Return the template; addresses hold references of customers and are made by anybody."""
        if self._templates is None:
            # A route itself knows its path only within the router that it was written in.
            self._templates = {
                id(context.original_route): str(context.path)
                for context in iter_route_contexts(scope["app"].routes)
            }
        return self._templates.get(id(scope.get("route")), _NO_ROUTE)
