"""Settings: read once from the environment by the command that starts, then passed down."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tellal.domain.calls import AGENTS
from tellal.domain.providers import smpp_provider
from tellal.domain.return_paths import ReturnPaths

_DNS_NAME = (
    r"^$|^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"
)

_LONGEST_SMPP_PASSWORD = 8


class _Part(BaseModel):
    model_config = {"frozen": True, "extra": "forbid"}


class TwilioSettings(_Part):
    """Twilio, or anything that speaks as it does. `base_url` replaces api.twilio.com.

    `answers_keywords` says that it answers STOP and its like itself, so that we do not. `caller`
    is the number of the account's from which people are called; without one nobody is.
    """

    account_sid: str = ""
    auth_token: SecretStr = SecretStr("")
    base_url: str = ""
    timeout_s: float = 10.0
    answers_keywords: bool = False
    caller: Annotated[str, Field(pattern=r"^$|^\+[1-9]\d{6,14}$")] = ""


class DkimSettings(_Part):
    """Signatures on mails, made with the PEM key of `<selector>._domainkey.<domain>`."""

    domain: Annotated[str, Field(pattern=_DNS_NAME)] = ""
    selector: Annotated[str, Field(pattern=_DNS_NAME)] = ""
    key_file: Path | None = None

    @model_validator(mode="after")
    def _all_or_nothing(self) -> Self:
        given = {bool(self.domain), bool(self.selector), self.key_file is not None}
        if len(given) > 1:
            raise ValueError("a domain, a selector and a key_file go together")
        return self


class NetgsmSettings(_Part):
    """NetGSM, for texts to Turkish numbers. `header` is the sender name of who has none of his own.

    `callback_secret` is part of the address to which its reports are pushed: it signs nothing.
    """

    usercode: str = ""
    password: SecretStr = SecretStr("")
    header: str = ""
    base_url: str = "https://api.netgsm.com.tr"
    timeout_s: float = 10.0
    callback_secret: SecretStr = SecretStr("")


class SmppSettings(_Part):
    """A connection to an operator's or an aggregator's message centre over SMPP 3.4.

    `sender` is the name or number of who has none of his own. `window` is how many submissions wait
    for their answers at a time, in each worker. `short_ton` and `short_npi` are the type and plan
    that the message centre wants of short numbers.
    """

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(gt=0, lt=65536)] = 2775
    tls: bool = False
    system_id: Annotated[str, Field(min_length=1, max_length=15)]
    password: SecretStr = SecretStr("")
    system_type: Annotated[str, Field(max_length=12)] = ""
    sender: Annotated[str, Field(max_length=20)] = ""
    short_ton: Annotated[int, Field(ge=0, le=6)] = 3
    short_npi: Annotated[int, Field(ge=0, le=18)] = 0
    window: Annotated[int, Field(ge=1, le=1000)] = 10
    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    alive_every_s: Annotated[float, Field(gt=0)] = 30.0
    """How long nothing may come before it is asked whether anybody is there."""
    receives: bool = True
    """Whether receipts and people's texts are fetched, by a session of their own."""
    receipt_ids: Literal["same", "decimal", "hexadecimal"] = "same"
    """How receipts write the ids of messages: as the answers do, or as a number in the other way.

    `decimal`: answers give `1f`, receipts `31`; `hexadecimal`: the other way round.
    """

    @field_validator("password")
    @classmethod
    def _as_long_as_may_be(cls, given: SecretStr) -> SecretStr:
        if len(given.get_secret_value()) > _LONGEST_SMPP_PASSWORD:
            raise ValueError("SMPP has passwords of 8 characters at most")
        return given


class IysSettings(_Part):
    """The API user at İYS, for all brands; which numbers a brand has there is in the ledger.

    `https://api.sandbox.iys.org.tr` is its sandbox.
    """

    username: str = ""
    password: SecretStr = SecretStr("")
    base_url: str = "https://api.iys.org.tr"
    timeout_s: float = 20.0


class BounceSettings(_Part):
    """Where mails come back to: `bounce@mail.bank.example` gets them at `bounce+…@` the same.

    `secret` signs those addresses. Without an address mails come back to their sender.
    """

    address: Annotated[
        str, Field(pattern=r"^$|^[A-Za-z0-9._-]{1,15}@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+$")
    ] = ""
    secret: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.address) != bool(self.secret.get_secret_value()):
            raise ValueError("an address and a secret go together")
        return self

    @property
    def paths(self) -> ReturnPaths | None:
        """What makes and reads return addresses; None without an address."""
        if not self.address:
            return None
        return ReturnPaths(address=self.address, secret=self.secret.get_secret_value())


class SmtpSettings(_Part):
    """The relay for e-mail. `tls`: `none`, `starttls` or `implicit`.

    Without `dkim` mails leave unsigned, and one-click refusals count only if the relay signs.
    """

    host: str = ""
    port: int = 25
    username: str = ""
    password: SecretStr = SecretStr("")
    tls: str = "none"
    timeout_s: float = 15.0
    connections: int = 4
    dkim: DkimSettings = DkimSettings()
    bounces: BounceSettings = BounceSettings()


class FolderSettings(_Part):
    """A folder of a mailbox that is read over IMAP; without a `host` none is.

    `tls`: `implicit`, `starttls` or `none`. `folder` is read; what was of use goes to `done`, what
    cannot be read to `aside`, what says nothing to `ignored`. They are made if they are not there.
    """

    host: str = ""
    port: int = 993
    username: str = ""
    password: SecretStr = SecretStr("")
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    folder: str = "INBOX"
    done: str = "Tellal"
    aside: str = "Tellal-aside"
    ignored: str = "Tellal-ignored"
    every_s: Annotated[float, Field(gt=0)] = 30.0
    timeout_s: float = 20.0


class MailboxSettings(FolderSettings):
    """A mailbox whose mails become cases of a brand."""

    brand: str = ""
    channel: str = "info_email"

    @model_validator(mode="after")
    def _of_somebody(self) -> Self:
        if self.host and not self.brand:
            raise ValueError("say whose mailbox it is: brand")
        return self


class FcmSettings(_Part):
    """Firebase Cloud Messaging, HTTP v1. `credentials_file` is a service account's JSON.

    Without one, `bearer_token` is sent as it stands (for the simulator).
    """

    project: str = ""
    base_url: str = "https://fcm.googleapis.com"
    credentials_file: Path | None = None
    bearer_token: SecretStr = SecretStr("")
    timeout_s: float = 10.0


class ApnsSettings(_Part):
    """Apple Push Notification service, by a token-signing key (`.p8`), in a file or as it stands.

    `topic` is the app's bundle id. Apps in development are at
    `https://api.sandbox.push.apple.com`.
    """

    team_id: str = ""
    key_id: str = ""
    key_file: Path | None = None
    key: SecretStr = SecretStr("")
    topic: str = ""
    base_url: str = "https://api.push.apple.com"
    timeout_s: float = 10.0


class WebPushSettings(_Part):
    """Pushes to browsers (RFC 8030): our key (PEM, P-256), in a file or as it stands, and our name.

    `subject` is how push services reach us (RFC 8292): `mailto:` or `https:`. `private` lets
    subscriptions be of the house's own network, as in rehearsals.
    """

    key_file: Path | None = None
    key: SecretStr = SecretStr("")
    subject: Annotated[str, Field(pattern=r"^$|^(mailto:|https://)\S+$")] = ""
    private: bool = False
    timeout_s: float = 10.0

    @model_validator(mode="after")
    def _somebody_can_be_reached(self) -> Self:
        if self.is_set and not self.subject:
            raise ValueError(
                "say how push services reach you: subject, as in mailto:it@bank.example"
            )
        return self

    @property
    def is_set(self) -> bool:
        """Whether there is a key."""
        return self.key_file is not None or bool(self.key.get_secret_value())


class LaneSettings(_Part):
    """How many messages a lane hands over side by side, in each worker; it claims no more."""

    concurrency: int = 16


class KeepSettings(_Part):
    """For how many days the worker keeps what has done its work.

    `idempotency_days`: the answers under Idempotency-Keys; a repeat that comes later is taken for a
    new request. `outbox_days`: what workflows have been told. `strangers_days`: words that came
    from numbers of no customer. `webhook_calls_days`: calls that were taken or given up, which can
    be replayed so long. `mails_days`: which mails of a mailbox were read, by its own numbers.
    """

    idempotency_days: Annotated[int, Field(ge=1)] = 30
    outbox_days: Annotated[int, Field(ge=1)] = 7
    strangers_days: Annotated[int, Field(ge=1)] = 30
    webhook_calls_days: Annotated[int, Field(ge=1)] = 30
    mails_days: Annotated[int, Field(ge=1)] = 30


class Settings(BaseSettings):
    """Everything that a deployment may change; unknown names are refused."""

    model_config = SettingsConfigDict(
        env_prefix="TELLAL_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    database_url: SecretStr = SecretStr("postgresql+psycopg://localhost/tellal")
    database_pool: int = 10
    temporal_address: str = Field(default="127.0.0.1:7233", validation_alias="TEMPORAL_ADDRESS")
    temporal_namespace: str = Field(default="default", validation_alias="TEMPORAL_NAMESPACE")
    task_queue: str = "tellal"
    public_url: str = "http://127.0.0.1:8000"
    rulebook: Path | None = None
    """A folder of rule files; None is the book that ships with Tellal."""
    approval_above: int = Field(default=0, ge=0)
    """How many customers a change of the rulebook may concern before a second person must agree."""
    incidents: Path | None = None
    """A folder that says how outages are told; None is the one that ships with Tellal."""
    intake: Path | None = None
    """A folder of intake profiles, one file per channel; None are those that ship with Tellal."""
    routes: Path | None = None
    """A file that says which provider may carry what; None is the one that ships with Tellal."""

    twilio: TwilioSettings = TwilioSettings()
    netgsm: NetgsmSettings = NetgsmSettings()
    smpp: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,29}$")], SmppSettings] = {}
    """Connections over SMPP, by names of your own; the provider of `operator` is `smpp_operator`.
    """
    iys: IysSettings = IysSettings()
    smtp: SmtpSettings = SmtpSettings()
    fcm: FcmSettings = FcmSettings()
    apns: ApnsSettings = ApnsSettings()
    web_push: WebPushSettings = WebPushSettings()
    mailbox: MailboxSettings = MailboxSettings()
    bounce_mailbox: FolderSettings = FolderSettings()
    """Where mails come back to, if they are to be fetched from there."""

    agent_calls: bool = False
    """Whether people of your call centre make calls: then promotions may go over `call`, too."""

    critical_lane: LaneSettings = LaneSettings()
    journeys_lane: LaneSettings = LaneSettings()
    bulk_lane: LaneSettings = LaneSettings()
    keep: KeepSettings = KeepSettings()

    status_brand: str = ""
    """Whose public pages are shown where none is named; empty is the only brand."""
    status_folder: Path | None = None
    """Where the worker writes the public channels as files; None is nowhere."""
    status_fresh_s: float = Field(default=1.0, ge=0.0)
    """How old what the public sees may be before the API looks again."""
    web_forms: Path | None = None
    """A folder with a file for each brand whose public form is open; None opens none."""
    webhooks_private: bool = False
    """Whether webhooks may be addresses of the house's own network, and on loopback without TLS."""

    retention: Path | None = None
    """A file that says how long what is personal is kept; None is the one that ships with it."""
    unsubscribe_secret: SecretStr = SecretStr("")
    """Signs the addresses by which readers refuse with one click; without it mails have none."""
    evidence_key_file: Path | None = None
    """A PEM file with the Ed25519 key that signs bundles of evidence; without it none is made."""
    third_party_providers: tuple[str, ...] = ()
    """Providers of other packages to use, by the names of their entry points."""

    allow_list: tuple[str, ...] = ()
    """Who may get tests: addresses, and domains of mail as in `@bank.example`."""
    only_allow_list: bool = False
    """Whether nobody else gets anything, as in a staging set-up."""

    engine_deadline_s: float = 0.1
    """How long the rule engine may take for one decision before the reference answers."""
    lease_s: float = 10.0
    """How long a claimed message belongs to the lane that claimed it."""
    reconcile_after_s: float = 5.0
    """How long an unanswered hand-over is left alone before it is looked up."""
    rehearsal_speed: float = Field(default=1.0, ge=1.0)
    """Divides every wait that rules order; 1 in earnest, more to rehearse a month in minutes."""
    log_level: str = "INFO"
    log_format: Literal["json", "text"] = "json"
    """JSON for machines that keep logs, text for people who watch them."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    """Where the worker shows its metrics; None is nowhere. The API shows its own at /metrics."""

    @model_validator(mode="after")
    def _bounces_are_ours(self) -> Self:
        if self.bounce_mailbox.host and not self.smtp.bounces.address:
            raise ValueError(
                "a mailbox for what comes back is read, and no mail comes back to it: set "
                "TELLAL_SMTP__BOUNCES__ADDRESS and TELLAL_SMTP__BOUNCES__SECRET, too"
            )
        return self

    @property
    def providers(self) -> frozenset[str]:
        """The providers that are set up."""
        configured = {
            "twilio": self.twilio.account_sid,
            "twilio_whatsapp": self.twilio.account_sid,
            "twilio_calls": self.twilio.account_sid and self.twilio.caller,
            "netgsm": self.netgsm.usercode,
            "smtp": self.smtp.host,
            "fcm": self.fcm.project,
            "apns": self.apns.team_id,
            "web_push": self.web_push.is_set,
            AGENTS: self.agent_calls,
        }
        ours = frozenset(provider for provider, value in configured.items() if value)
        return ours.union(map(smpp_provider, self.smpp), self.third_party_providers)
