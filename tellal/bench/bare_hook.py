"""The baseline of `bench callbacks`: verify Twilio's signature, insert one row, and no more.

Run as a module it is a server of its own, as the API is; it makes its table itself.
"""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from sqlalchemy import text
from twilio.request_validator import RequestValidator

from tellal.persistence.session import make_engine
from tellal.settings import Settings
from tellal.stack.ports import LOOPBACK

PATH = "/status"

_TABLE = text("""
CREATE TABLE IF NOT EXISTS bench_receipts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id text NOT NULL, reference text NOT NULL, state text NOT NULL, code text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
)
""")
_ROW = text("""
INSERT INTO bench_receipts (message_id, reference, state, code)
VALUES (:message, :reference, :state, :code)
""")


def create(settings: Settings, url: str) -> FastAPI:
    """Build the application; `url` is where Twilio would say that it calls."""
    validator = RequestValidator(settings.twilio.auth_token.get_secret_value())
    engine = make_engine(settings.database_url.get_secret_value(), pool=settings.database_pool)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with engine.begin() as connection:
            await connection.execute(_TABLE)
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.post(PATH, status_code=204)
    async def status(request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        signature = request.headers.get("X-Twilio-Signature", "")
        if not validator.validate(f"{url}{PATH}?{request.url.query}", form, signature):
            raise HTTPException(403)
        row = {
            "message": request.query_params.get("m", ""),
            "reference": form["MessageSid"],
            "state": form["MessageStatus"],
            "code": form.get("ErrorCode", ""),
        }
        async with engine.begin() as connection:
            await connection.execute(_ROW, row)
        return Response(status_code=204)

    return app


def main(port: int) -> None:
    """Serve until the process is told to stop."""
    app = create(Settings(), f"http://{LOOPBACK}:{port}")
    uvicorn.run(app, host=LOOPBACK, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))
