"""What tellal/metrics.py declares, as documents and alerts must speak of it."""

from collections.abc import Sequence

from prometheus_client.metrics import MetricWrapperBase

from tellal import metrics

_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
_ENDINGS = {"counter": "_total"}


def declared() -> list[MetricWrapperBase]:
    """Return the instruments in the order of the module."""
    return [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]


def series() -> dict[str, tuple[str, ...]]:
    """Return the labels of every series that an expression may name."""
    return {
        f"{one._name}{suffix}": tuple(one._labelnames)
        for one in declared()
        for suffix in _SUFFIXES[str(one._type)]
    }


def table_of(instruments: Sequence[MetricWrapperBase]) -> str:
    """Write the table of docs/operations/metrics.md."""
    head = "| metric | kind | labels | what it says |\n|---|---|---|---|\n"
    return head + "\n".join(
        f"| `{one._name}{_ENDINGS.get(str(one._type), '')}` | {one._type} "
        f"| {', '.join(f'`{label}`' for label in one._labelnames)} | {one._documentation} |"
        for one in instruments
    )
