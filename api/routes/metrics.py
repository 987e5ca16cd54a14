"""What this process has counted, for Prometheus; the worker shows its own."""

from fastapi import APIRouter, Response

from tellal.exposition import CONTENT_TYPE, page, shown
from tellal.metrics import EVENTS

router = APIRouter(tags=["operations"])

_shown = shown(EVENTS)


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Show counts and times in Prometheus' text format. They hold nothing of anybody."""
    return Response(page(_shown), media_type=CONTENT_TYPE)
