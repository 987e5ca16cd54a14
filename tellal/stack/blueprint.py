"""Which parts a stack starts itself, and the settings by which all of them find each other."""

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from tellal.carrier.settings import CarrierSettings
from tellal.settings import (
    ApnsSettings,
    BounceSettings,
    FcmSettings,
    IysSettings,
    NetgsmSettings,
    Settings,
    SmtpSettings,
    TwilioSettings,
    WebPushSettings,
)
from tellal.stack.ports import LOOPBACK, free_port

_FAMILIAR = {
    "postgres": 54320,
    "temporal": 7233,
    "temporal_ui": 8233,
    "api": 8000,
    "carrier": 8010,
    "smpp": 2775,
    "mailbox": 8025,
    "smtp": 1025,
    "metrics": 9464,
}


_CALLS_FROM = "+908500000001"
_COMES_BACK_TO = "bounce@mailbox.tellal.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What is ours to start (the rest is real, by the settings), and on which ports."""

    postgres: bool
    temporal: bool
    twilio: bool
    netgsm: bool
    fcm: bool
    apns: bool
    web_push: bool
    mailbox: bool
    ports: dict[str, int]

    @property
    def carrier(self) -> bool:
        """Whether anything needs the carrier simulator."""
        return self.twilio or self.netgsm or self.fcm or self.apns or self.web_push

    def url_of(self, part: str) -> str:
        """Return where a part listens."""
        return f"http://{LOOPBACK}:{self.ports[part]}"


def draw(settings: Settings, *, familiar: bool) -> Blueprint:
    """Decide what to start. `familiar` prefers the ports that people remember, if they are free."""
    given = settings.model_fields_set
    return Blueprint(
        postgres="database_url" not in given,
        temporal="temporal_address" not in given,
        twilio=not settings.twilio.account_sid,
        # Who has a real Twilio and names no NetGSM does without.
        netgsm=not settings.twilio.account_sid and not settings.netgsm.usercode,
        fcm=not settings.fcm.project,
        apns=not (settings.fcm.project or settings.apns.team_id),
        web_push=not (settings.fcm.project or settings.web_push.is_set),
        mailbox=not settings.smtp.host,
        ports={name: free_port(port if familiar else 0) for name, port in _FAMILIAR.items()},
    )


def furnish(settings: Settings, blueprint: Blueprint) -> Settings:
    """Return the settings of a stack whose messages go to the simulator and the mailbox."""
    changes: dict[str, object] = {}
    if "public_url" not in settings.model_fields_set:
        changes["public_url"] = blueprint.url_of("api")
    if settings.metrics_port is None:
        changes["metrics_port"] = blueprint.ports["metrics"]
    if blueprint.twilio:
        changes["twilio"] = TwilioSettings(
            account_sid=CarrierSettings().account_sid,
            auth_token=_secret(),
            base_url=blueprint.url_of("carrier"),
            timeout_s=settings.twilio.timeout_s,
            caller=settings.twilio.caller or _CALLS_FROM,
        )
    if blueprint.netgsm:
        changes["netgsm"] = NetgsmSettings(
            usercode=CarrierSettings().netgsm_usercode,
            password=_secret(),
            header=settings.netgsm.header,
            base_url=blueprint.url_of("carrier"),
            timeout_s=settings.netgsm.timeout_s,
            callback_secret=settings.netgsm.callback_secret or _secret(),
        )
    if blueprint.carrier and not settings.iys.username:
        changes["iys"] = IysSettings(
            username=CarrierSettings().iys_username,
            password=_secret(),
            base_url=blueprint.url_of("carrier"),
            timeout_s=settings.iys.timeout_s,
        )
    if blueprint.fcm:
        changes["fcm"] = FcmSettings(
            project=CarrierSettings().fcm_project,
            base_url=blueprint.url_of("carrier"),
            bearer_token=_secret(),
            timeout_s=settings.fcm.timeout_s,
        )
    if blueprint.apns:
        changes["apns"] = ApnsSettings(
            team_id=CarrierSettings().apns_team,
            key_id="REHEARSAL1",
            key=_signing_key(),
            topic="example.rehearsal",
            base_url=blueprint.url_of("carrier"),
            timeout_s=settings.apns.timeout_s,
        )
    if blueprint.web_push:
        changes["web_push"] = WebPushSettings(
            key=_signing_key(),
            subject="mailto:rehearsal@tellal.invalid",
            private=True,
            timeout_s=settings.web_push.timeout_s,
        )
    if blueprint.mailbox:
        changes["smtp"] = SmtpSettings(
            host=LOOPBACK,
            port=blueprint.ports["smtp"],
            timeout_s=settings.smtp.timeout_s,
            connections=settings.smtp.connections,
            bounces=settings.smtp.bounces
            if settings.smtp.bounces.address
            else BounceSettings(address=_COMES_BACK_TO, secret=_secret()),
        )
    return settings.model_copy(update=changes)


def _signing_key() -> SecretStr:
    """Make a key as Apple gives them, and as browsers subscribe with."""
    made = ec.generate_private_key(ec.SECP256R1())
    written = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return SecretStr(written.decode())


def _secret() -> SecretStr:
    return SecretStr(secrets.token_urlsafe(24))
