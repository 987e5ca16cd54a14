"""What a rehearsal may change about the carrier simulator."""

from dataclasses import dataclass, field
from pathlib import Path

from tellal.carrier.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierSettings:
    """The accounts that the simulator knows, its pace, and its bounds.

    `callback_statuses` are the steps of a text message that are told to its `StatusCallback`; as
    with Twilio, never the first one.
    """

    account_sid: str = "AC00000000000000000000000000000001"
    auth_token: str = field(default="rehearsal", repr=False)
    fcm_project: str = "rehearsal"
    fcm_bearer: str = field(default="rehearsal", repr=False)
    apns_team: str = "REHEARSAL1"
    apns_key: str = field(default="", repr=False)
    """The public key (PEM) that signs Apple's tokens; empty: any signature will do."""
    netgsm_usercode: str = "8500000000"
    netgsm_password: str = field(default="rehearsal", repr=False)
    netgsm_iys_refusal: str = ""
    """What commercial texts are refused with, for want of an İYS contract (50) or brand (51)."""
    netgsm_push_url: str = field(default="", repr=False)
    """Where NetGSM's reports are pushed to, a secret in it; empty: they are only asked for."""
    netgsm_reports_a_minute: int = 10
    netgsm_tasks_a_minute: int = 20
    """How many jobs NetGSM takes in a minute for the same number."""
    smpp_port: int | None = None
    """Where the message centre listens for SMPP; None: nowhere."""
    smpp_host: str = "127.0.0.1"
    smpp_system_id: str = "rehearsal"
    smpp_password: str = field(default="rehearse", repr=False)
    iys_username: str = "rehearsal"
    iys_password: str = field(default="rehearsal", repr=False)
    iys_code: int = 100001
    iys_token_s: float = 7200
    iys_refresh_s: float = 14400
    iys_requests_a_second: int = 100
    iys_batch_after_s: float = 0.05
    """For how long a batch at İYS is in its queue."""
    iys_changes_lag_s: float = 3600
    """How much of the latest movements İYS does not tell of."""
    iys_changes_page: int = 100
    sending_after_s: float = 0.02
    sent_after_s: float = 0.03
    delivered_after_s: float = 0.05
    callback_statuses: frozenset[str] = frozenset(
        {"sent", "delivered", "read", "undelivered", "failed", "canceled"}
    )
    callback_timeout_s: float = 5.0
    callbacks_at_once: int = 64
    hang_s: float = 60.0
    """How long a hanging request is held at most; the client usually gives up before."""
    book_cap: int = 200_000
    """How many requests and how many text messages are remembered; the oldest go first."""
    book_file: Path | None = None
    """Where the book is kept, so that a process that is killed forgets nothing; None: nowhere."""
    seed: int = 1
    faults: tuple[Fault, ...] = ()
    """What goes wrong from the beginning, such as the spells of a day."""
