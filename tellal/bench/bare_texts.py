"""The baseline of `bench broadcast`: the same client of Twilio in a bare loop, no ledger.

Run as a module it is a process of its own, as the worker is: it sends so many texts, so many side
by side, and writes the seconds that they took.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator

from activities.providers.twilio.sms import TwilioSms
from tellal.bench.crowd import TOPIC, VARIABLES
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.messages import Answer, OutgoingMessage
from tellal.ids import new_id
from tellal.settings import Settings
from templates.environment import JinjaRenderer


def main(count: int, at_once: int) -> None:
    """Warm up, send, and write how long it took."""
    print(json.dumps(asyncio.run(_run(count, at_once))))  # noqa: T201 - read by who started us


async def _run(count: int, at_once: int) -> dict[str, float]:
    settings = Settings()
    callbacks = f"{settings.public_url}/v1/hooks/twilio/status"
    sender = TwilioSms(settings.twilio, status_callback_url=callbacks)
    await _send(sender, 4 * at_once, at_once)
    began, used = time.perf_counter(), time.process_time()
    await _send(sender, count, at_once)
    taken = {"elapsed_s": time.perf_counter() - began, "cpu_s": time.process_time() - used}
    await sender.close()
    return taken


async def _send(sender: TwilioSms, count: int, at_once: int) -> None:
    waiting = texts(count)

    async def serve() -> None:
        for message in waiting:
            answer = await sender.send(message)
            if answer.answer is not Answer.ACCEPTED:
                raise AssertionError(f"the simulator answered {answer.code}")

    await asyncio.gather(*(serve() for _ in range(at_once)))


def texts(count: int) -> Iterator[OutgoingMessage]:
    """Yield so many messages of one text, each with an address of its own."""
    text = (
        JinjaRenderer()
        .render(topic=TOPIC, channel=Channel.SMS, language="tr", variables=VARIABLES)
        .text
    )
    for number in range(count):
        yield OutgoingMessage(
            id=new_id(),
            attempt=1,
            channel=Channel.SMS,
            message_class=MessageClass.SERVICE,
            lane=Lane.BULK,
            sender="PORSUKEDAS",
            address=f"+48602{number:06}",
            subject="",
            text=text,
            html="",
            topic=TOPIC,
            validity_s=3600,
            provider="twilio",
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
