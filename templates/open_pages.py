"""The frame of the pages on which the public deals with a case; see `templates/public/`."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment

_FRAME = "open_page.html.j2"


def open_page(name: str) -> tuple[Template, Mapping[str, Any]]:
    """Return a page of the frame, `<name>.html.j2`, and its words by language, `<name>.json`."""
    folder = files("templates").joinpath("public")
    sources = {
        file: folder.joinpath(file).read_text(encoding="utf-8")
        for file in (_FRAME, f"{name}.html.j2")
    }
    environment = SandboxedEnvironment(
        loader=DictLoader(sources), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    words: Mapping[str, Any] = json.loads(
        folder.joinpath(f"{name}.json").read_text(encoding="utf-8")
    )
    return environment.get_template(f"{name}.html.j2"), words
