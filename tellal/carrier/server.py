"""Runs the carrier simulator as a process."""

import uvicorn

from tellal.carrier.app import create_carrier
from tellal.carrier.connection import TearableProtocol
from tellal.carrier.settings import CarrierSettings


def serve(host: str, port: int, settings: CarrierSettings | None = None) -> None:
    """Serve until the process is told to stop; `/healthz` answers when it is ready."""
    uvicorn.Server(configuration(host, port, settings or CarrierSettings())).run()


def configuration(host: str, port: int, settings: CarrierSettings) -> uvicorn.Config:
    """Return uvicorn's configuration, for whoever runs the server in a loop of his own."""
    return uvicorn.Config(
        create_carrier(settings),
        host=host,
        port=port,
        http=TearableProtocol,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        # A held request must not keep a rehearsal from ending.
        timeout_graceful_shutdown=1,
    )
