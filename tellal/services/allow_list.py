"""Who may get what is not meant for customers: colleagues, by address or by domain of mail."""

from collections.abc import Iterable
from dataclasses import dataclass

from tellal.addresses import channel_of, email_address, folded, normalise
from tellal.domain.channels import BY_NUMBER, Channel
from tellal.domain.errors import InvalidInputError

_FIELD = "allow_list"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """Numbers, mail addresses and push tokens, and whole domains of mail (`@bank.example`)."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str]) -> "AllowList":
        """Read the entries of the setting; numbers are written with their country.

        Raises:
            InvalidInputError: One of them is neither an address nor a domain.
        """
        addresses: set[str] = set()
        domains: set[str] = set()
        for number, entry in enumerate(entries, start=1):
            try:
                if entry.startswith("@"):
                    domains.add(_domain(entry))
                else:
                    channel = channel_of(entry)
                    addresses.add(folded(channel, normalise(channel, entry, region="")))
            except InvalidInputError as error:
                # By its place: error texts end in logs, and addresses do not.
                message = f"entry {number} of the allow-list is no use: {error}"
                raise InvalidInputError(message, field=_FIELD, hint=error.hint) from error
        return cls(addresses=frozenset(addresses), domains=frozenset(domains))

    def admits(self, channel: Channel, address: str) -> bool:
        """Say whether a normalised address is on the list; a domain is not its subdomains."""
        written = folded(channel, address)
        if channel is Channel.EMAIL and written.rpartition("@")[2] in self.domains:
            return True
        return written in self.addresses

    def check(self, channel: Channel, address: str) -> None:
        """Let an address pass.

        Raises:
            InvalidInputError: It is not on the list.
        """
        if not self.admits(channel, address):
            kind = "number" if channel in BY_NUMBER else "address"
            raise InvalidInputError(
                f"this {kind} is not on the allow-list, so nothing was sent",
                field="to",
                hint="name it in the setting TELLAL_ALLOW_LIST, or its domain as in @bank.example",
            )


def _domain(entry: str) -> str:
    """Return the domain of `@bank.example`, in lower case and in ASCII."""
    return email_address(f"anybody{entry}").rpartition("@")[2]
