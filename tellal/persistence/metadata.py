"""All tables in one metadata, for migrations and for the test that compares them."""

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from tellal.persistence.tables import (
    audit,
    brands,
    campaigns,
    console,
    credit,
    customers,
    delivery,
    digests,
    intake,
    ledger,
    operations,
    outages,
    privacy,
    refusing,
    registry,
    rulebook,
)

TABLE_MODULES = (
    audit,
    brands,
    campaigns,
    console,
    credit,
    customers,
    delivery,
    digests,
    intake,
    ledger,
    operations,
    outages,
    privacy,
    refusing,
    registry,
    rulebook,
)


def metadata() -> MetaData:
    """Return the metadata that holds every table of Tellal."""
    return SQLModel.metadata
