"""Names of providers: which of them speak alike."""

_SMPP = "smpp"


def smpp_provider(connection: str) -> str:
    """Name the provider that a connection over SMPP is."""
    return f"{_SMPP}_{connection}"


def language_of(provider: str) -> str:
    """Name whose codes a provider speaks in: every connection over SMPP has the same."""
    return _SMPP if provider.startswith(f"{_SMPP}_") else provider
