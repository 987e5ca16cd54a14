"""Names the fields that there are, where a request names one that there is not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from rules.vocabulary import did_you_mean

_UNKNOWN = "extra_forbidden"


def hint_of(request: Request, error: Mapping[str, Any]) -> str:
    """Say how to mend what pydantic found wrong with a request's body; empty if nobody knows."""
    place: Sequence[object] = error["loc"]
    if error["type"] != _UNKNOWN or place[0] != "body":
        return ""
    fields = _fields_at(request, place[1:-1])
    if not fields:
        return ""
    word = str(place[-1])
    return "; ".join(filter(None, (did_you_mean(word, fields), f"there are {', '.join(fields)}")))


def _fields_at(request: Request, place: Sequence[object]) -> list[str]:
    """Return the names of the fields at a place of the body of the route that was asked."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or route.body_field is None:
        return []
    models = list(_models(route.body_field.field_info.annotation))
    for step in place:
        if isinstance(step, int):  # a list's entry is of the model that the list names
            continue
        models = [
            found
            for model in models
            if isinstance(step, str) and (field := _field(model, step))
            for found in _models(field)
        ]
    return sorted(
        {field.alias or name for model in models for name, field in model.model_fields.items()}
    )


def _field(model: type[BaseModel], name: str) -> object:
    for own, field in model.model_fields.items():
        if name in (own, field.alias):
            return field.annotation
    return None


def _models(kind: object) -> Iterator[type[BaseModel]]:
    """Find the models in a type, however deep in lists, unions and mappings."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        return
    for part in get_args(kind):
        yield from _models(part)
