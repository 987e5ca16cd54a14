"""What of a customer's row a condition can ask in SQL."""

from sqlalchemy import type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from rules.population.columns import typed
from rules.population.layers import Column
from rules.vocabulary import PythonType
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow

_customers = table(CustomerRow).c

_TEXTS = {f"customer.{name}": name for name in ("kind", "locale", "timezone", "country")}
_PUSH_TOKEN = "customer.app.push_token"  # noqa: S105 - the path of a fact


def stored_value(path: str, kind: PythonType) -> Column | None:
    """Find a customer's stored value; his push token is known by his addresses, too."""
    if path in _TEXTS:
        return _customers[_TEXTS[path]].collate("C") if kind is str else None
    if path == _PUSH_TOKEN or not path.startswith("customer."):
        return None
    return typed(type_coerce(_customers.facts.op("->")(path), JSONB), kind)
