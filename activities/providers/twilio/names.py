"""What the ledger calls Twilio's routes, and how Twilio marks the addresses of WhatsApp."""

SMS_PROVIDER = "twilio"
WHATSAPP_PROVIDER = "twilio_whatsapp"
CALLS_PROVIDER = "twilio_calls"

WHATSAPP_PREFIX = "whatsapp:"


def provider_of(address: str) -> str:
    """Return the route by which a message goes to, or comes from, an address at Twilio."""
    return WHATSAPP_PROVIDER if address.startswith(WHATSAPP_PREFIX) else SMS_PROVIDER


def is_service(sender: str) -> bool:
    """Say whether a sender is a messaging service, which has numbers of its own."""
    return sender.startswith("MG")
