"""What the mailbox keeps: mails as they came, attempts to bring them, and faults."""

import random
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tellal.carrier.letter import TAKEN, Letter
from tellal.carrier.letter_file import LetterFile

_SEED = 1


class Stage(StrEnum):
    """Where in the dialogue a fault strikes: at the recipient, or after the whole mail."""

    RCPT = "rcpt"
    DATA = "data"


class MailFault(BaseModel):
    """A refusal (`code`, `text`), a silence after the mail was taken, or a broken connection.

    After the data the mail is kept, although the client is not told so. `times` None is for ever,
    `rate` is the chance of each mail.
    """

    model_config = ConfigDict(extra="forbid")

    to: str = ""
    code: Annotated[int, Field(ge=400, le=599)] = 451
    text: str = ""
    stage: Stage = Stage.RCPT
    hang_after_data: bool = False
    disconnect_after_data: bool = False
    disconnect: bool = False
    rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    fired: int = 0

    @property
    def strikes_at(self) -> Stage:
        """The stage at which it strikes."""
        return Stage.DATA if self.keeps_the_mail else self.stage

    @property
    def keeps_the_mail(self) -> bool:
        """Whether the mail is kept although the client gets no answer."""
        return self.hang_after_data or self.disconnect_after_data

    def reply(self) -> str:
        """Write the refusal as an SMTP answer."""
        return f"{self.code} {self.text or 'refused by a rehearsed fault'}"


class Letters:
    """All mails, oldest first, bounded; and how often anybody tried.

    With a file the mails are there again after a restart; faults and counts of attempts are not.
    """

    def __init__(self, cap: int, file: LetterFile | None = None) -> None:
        self._letters: deque[Letter] = deque(maxlen=cap)
        self._cap = cap
        self._file = file
        self._attempts: Counter[str] = Counter()
        self._faults: list[MailFault] = []
        self._chance = random.Random(_SEED)  # noqa: S311 (repeatable misbehaviour, no secret)
        self._last_number = 0
        self.connections = 0
        if file is not None:
            self._letters.extend(file.read())
            self._last_number = max((letter.number for letter in self._letters), default=0)
            file.replace(self._letters)

    def keep(
        self,
        *,
        at: datetime,
        sender: str,
        recipients: Sequence[str],
        raw: bytes,
        told: int = TAKEN,
    ) -> Letter:
        """Keep a mail, in the file first, and return it; beyond the cap the oldest is forgotten."""
        letter = Letter(
            number=self._last_number + 1,
            at=at,
            sender=sender,
            recipients=tuple(recipients),
            raw=raw,
            told=told,
        )
        if self._file is not None:
            self._file.add(letter)
        self._last_number = letter.number
        self._letters.append(letter)
        return letter

    def tried(self, recipient: str) -> None:
        """Count an attempt to bring a mail to a recipient."""
        self._attempts[recipient] += 1
        if len(self._attempts) > self._cap:
            del self._attempts[next(iter(self._attempts))]

    def attempts(self, recipient: str) -> int:
        """Return how often somebody tried, for a recipient or for all."""
        return self._attempts[recipient] if recipient else self._attempts.total()

    def find(self, to: str = "") -> Sequence[Letter]:
        """Return the mails to a recipient or to all, oldest first."""
        return [letter for letter in self._letters if not to or to in letter.recipients]

    def get(self, number: int) -> Letter | None:
        """Return a mail by its number."""
        return next((letter for letter in self._letters if letter.number == number), None)

    def add_fault(self, fault: MailFault) -> None:
        """Switch a fault on."""
        self._faults.append(fault)

    def fault_at(self, stage: Stage, recipients: Sequence[str]) -> MailFault | None:
        """Return the first fault that strikes here, and count it."""
        for fault in self._faults:
            spent = fault.times is not None and fault.fired >= fault.times
            hit = not fault.to or fault.to in recipients
            if fault.strikes_at is not stage or not hit or spent:
                continue
            if fault.rate < 1 and self._chance.random() >= fault.rate:
                continue
            fault.fired += 1
            return fault
        return None

    def faults(self) -> Sequence[MailFault]:
        """Return every fault that was switched on."""
        return tuple(self._faults)

    def no_faults(self) -> None:
        """Switch all faults off."""
        self._faults.clear()

    def clear(self) -> None:
        """Forget every mail and every count."""
        self._letters.clear()
        if self._file is not None:
            self._file.replace(())
        self._attempts.clear()
        self.connections = 0
