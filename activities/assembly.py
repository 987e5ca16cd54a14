"""Makes a sender for every provider that is set up; whoever starts a process calls it."""

from collections.abc import Mapping

from activities.providers.apns_push import ApnsPush
from activities.providers.fcm_push import FcmPush
from activities.providers.imap_mailbox import ImapMailbox
from activities.providers.iys.client import IysRegistry
from activities.providers.netgsm.sms import NetgsmSms
from activities.providers.smpp.reception import Ear, SmppReception
from activities.providers.smpp.sms import SmppSms
from activities.providers.smtp.email import SmtpEmail
from activities.providers.twilio.calls import TwilioCalls
from activities.providers.twilio.sms import TwilioSms
from activities.providers.twilio.whatsapp import TwilioWhatsApp
from activities.providers.web_push import WebPush
from tellal.clock import Clock
from tellal.plugins import third_parties
from tellal.ports import Forgetting, Recalling, Registry, Sender
from tellal.settings import Settings


class SendersOnDemand:
    """Senders for whoever rarely sends: made at the first call, keys and files read only then."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._senders: dict[str, Sender] | None = None

    def __call__(self) -> Mapping[str, Sender]:
        """Return the senders by their providers' names.

        Raises:
            InvalidInputError: One of them cannot be made as the settings say.
        """
        if self._senders is None:
            self._senders = senders_of(self._settings)
        return self._senders

    async def close(self) -> None:
        """Give connections back, if there are any."""
        for sender in (self._senders or {}).values():
            await sender.close()


def senders_of(settings: Settings) -> dict[str, Sender]:
    """Make a sender for every provider that is set up, by its name."""
    callbacks = f"{settings.public_url}/v1/hooks/twilio/status"
    senders: list[Sender] = []
    if settings.twilio.account_sid:
        senders.append(TwilioSms(settings.twilio, status_callback_url=callbacks))
        senders.append(TwilioWhatsApp(settings.twilio, status_callback_url=callbacks))
        if settings.twilio.caller:
            senders.append(TwilioCalls(settings.twilio, status_callback_url=callbacks))
    if settings.netgsm.usercode:
        senders.append(NetgsmSms(settings.netgsm))
    senders += [SmppSms(name, one) for name, one in settings.smpp.items()]
    if settings.smtp.host:
        senders.append(SmtpEmail(settings.smtp))
    if settings.fcm.project:
        senders.append(FcmPush(settings.fcm))
    if settings.apns.team_id:
        senders.append(ApnsPush(settings.apns))
    if settings.web_push.is_set:
        senders.append(WebPush(settings.web_push))
    ours = {sender.provider: sender for sender in senders}
    return ours | third_parties(settings)


def recalling_of(senders: Mapping[str, Sender]) -> dict[str, Recalling]:
    """Return those whose providers may give back what they have taken, by their names."""
    return {name: sender for name, sender in senders.items() if isinstance(sender, Recalling)}


def forgetting_of(senders: Mapping[str, Sender]) -> dict[str, Forgetting]:
    """Return those whose providers delete their copies of messages, by their names."""
    return {name: sender for name, sender in senders.items() if isinstance(sender, Forgetting)}


def receptions_of(settings: Settings, ear: Ear, clock: Clock) -> dict[str, SmppReception]:
    """Return what listens to message centres over SMPP, by the names of the connections."""
    return {
        name: SmppReception(name, one, ear, clock)
        for name, one in settings.smpp.items()
        if one.receives
    }


def registry_of(settings: Settings, clock: Clock) -> Registry | None:
    """Return the registry of consents, None if there is no user for it."""
    return IysRegistry(settings.iys, clock) if settings.iys.username else None


def bounce_mailbox_of(settings: Settings) -> ImapMailbox | None:
    """Return the mailbox to which mails come back, None if none is read."""
    return ImapMailbox(settings.bounce_mailbox) if settings.bounce_mailbox.host else None


def mailbox_of(settings: Settings) -> ImapMailbox | None:
    """Return the mailbox whose mails become cases, None if there is none."""
    return ImapMailbox(settings.mailbox) if settings.mailbox.host else None
