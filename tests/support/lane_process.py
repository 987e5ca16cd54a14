"""A lane in a process of its own, with the real Twilio adapter, for tests that kill it.

Arguments: the database's address, the simulator's, and the account at it (SID and token).
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.lanes import LaneActivities, WorkLane
from activities.providers.twilio.sms import TwilioSms
from rules.routing import load_routes
from tellal.clock import SystemClock
from tellal.domain.channels import Lane
from tellal.domain.handover import Carrier
from tellal.persistence.session import Sessions, make_engine, make_sessions
from tellal.settings import TwilioSettings
from tests.support.desk import a_desk

LEASE = timedelta(seconds=2)
RECONCILE_AFTER = timedelta(seconds=0.5)


@asynccontextmanager
async def lanes_over_twilio(
    sessions: Sessions, twilio: TwilioSettings
) -> AsyncIterator[LaneActivities]:
    sender = TwilioSms(twilio, status_callback_url="http://127.0.0.1:9/v1/hooks/twilio/status")
    desk = a_desk(
        sessions,
        SystemClock(),
        lease=LEASE,
        reconcile_after=RECONCILE_AFTER,
        carriers={"twilio": Carrier(provider="twilio", receipts=sender.receipts, looks_up=True)},
        routes=load_routes().with_providers({"twilio"}),
    )
    yield LaneActivities(desk, {sender.provider: sender}, {Lane.JOURNEYS: 8})
    await sender.close()


async def work(database_url: str, base_url: str, account_sid: str, token: str) -> None:
    twilio = TwilioSettings(
        account_sid=account_sid, auth_token=SecretStr(token), base_url=base_url, timeout_s=60
    )
    order = WorkLane(lane=Lane.JOURNEYS, shift_s=60)
    async with lanes_over_twilio(make_sessions(make_engine(database_url)), twilio) as lanes:
        await ActivityEnvironment().run(lanes.work, order)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:5]))
