"""What can go wrong, by the question that a caller asks.

* TellalError
  + InvalidInputError     the caller must change what it sent
  + NotFoundError         there is no such thing, or it belongs to another brand
  + ConflictError         the thing is in a state in which this cannot be done
    - RefusedTransitionError
  + DeniedError           whoever asks may not do this; somebody else may
  + RulebookError         a rule file is broken: file, line, column and how to mend it
"""

from collections.abc import Sequence
from dataclasses import dataclass


class TellalError(Exception):
    """Base of every error that Tellal raises on purpose."""


class InvalidInputError(TellalError):
    """The caller must change what it sent; `field` names the part and `hint` how to mend it."""

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.hint = hint


class NotFoundError(TellalError):
    """There is no such thing, or it belongs to another brand (nobody is told which)."""


class ConflictError(TellalError):
    """The thing is in a state in which this cannot be done; `code` is stable for programs."""

    def __init__(self, message: str, *, code: str = "conflict", hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class RefusedTransitionError(ConflictError):
    """The transition table does not allow this command now."""


class DeniedError(TellalError):
    """Whoever asks may not do this, though somebody else may; `code` is stable for programs."""

    def __init__(self, message: str, *, code: str = "denied", hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake in a rule file or a text, where it stands (1-based) and how to mend it.

    `warns` says that it may be meant: what stands there works, but not for everybody. Where the law
    is broken, `source` says which article, `fine` what that may cost, and `gravity` how grave it is
    (minor, serious, grave).
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    warns: bool = False
    source: str = ""
    fine: str = ""
    gravity: str = ""

    @property
    def severity(self) -> str:
        """Whether it stops a text or a rule: `error` or `warning`."""
        return "warning" if self.warns else "error"

    def __str__(self) -> str:
        """Write it as editors and compilers do, so that a click leads to the place."""
        tail = f" ({self.hint})" if self.hint else ""
        law = "; ".join(filter(None, (self.source, self.fine and f"{self.gravity}: {self.fine}")))
        kind = "warning: " if self.warns else ""
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {kind}{self.message}{tail}" + (f" [{law}]" if law else "")


class RulebookError(TellalError):
    """A rulebook was refused; the last good one goes on."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)
