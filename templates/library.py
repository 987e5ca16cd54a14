"""A library of message texts: what is there, in which languages, with which examples.

It is a folder, or what was published of one.

`<topic>/<channel>.<language>.j2` holds a text; the HTML of an e-mail lies beside it as
`email.<language>.html.j2`. `topic.json` names the topic's languages, the one to fall back on first
(without it: English), the texts that WhatsApp has approved, and why its author disputes that it
promotes anything; `example.json` holds variables with which every text can be filled in.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable

from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError
from templates.approved import Approved, read_approved
from templates.naming import TemplateName, did_you_mean, fallbacks, parse_path

DEFAULT_LANGUAGE = "en"
_A_REASON = 3
"""Words at least: less is no reason that somebody else could judge."""


class Folder(Mapping[str, str]):
    """The files of a folder by their paths; which there are is found at once, each read when asked.

    Raises:
        KeyError: There is no such file.
    """

    def __init__(self, folder: Traversable) -> None:
        self._folder = folder
        self._paths = frozenset(_paths(folder))

    def __getitem__(self, path: str) -> str:
        """Read a file."""
        if path not in self._paths:
            raise KeyError(path)
        return self._folder.joinpath(*path.split("/")).read_text(encoding="utf-8")

    def __iter__(self) -> Iterator[str]:
        """Walk the paths in their order."""
        return iter(sorted(self._paths))

    def __len__(self) -> int:
        """Count the files."""
        return len(self._paths)


def texts_in(folder: Traversable) -> dict[str, str]:
    """Read what a folder has for messages, by path; what editors leave behind is passed over."""
    files = Folder(folder)
    return {path: files[path].replace("\r\n", "\n") for path in files if belongs(path)}


def belongs(path: str) -> bool:
    """Say whether a file of that path is of any use in a library."""
    topic, slash, name = path.partition("/")
    html = path.removesuffix(".html.j2") + ".j2"
    described = bool(topic and slash) and name in ("topic.json", "example.json")
    return described or parse_path(path) is not None or parse_path(html) is not None


class Library:
    """Finds texts by topic, channel and language."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._paths = frozenset(files)
        self.names = tuple(sorted(name for p in self._paths if (name := parse_path(p))))
        topics = dict.fromkeys(name.topic for name in self.names)
        self._languages = {topic: self._declared(topic) for topic in topics}
        self._approved = {topic: self._approved_of(topic) for topic in topics}
        self._disputed = {topic: self._disputed_of(topic) for topic in topics}

    def find(self, *, topic: str, channel: Channel, language: str) -> TemplateName:
        """Return the text that speaks for a language: its own, or its fallback.

        Raises:
            InvalidInputError: There is no such topic, or it has no text for the channel.
        """
        for candidate in fallbacks(language, self.languages(topic)):
            name = TemplateName(topic=topic, channel=channel, language=candidate)
            if name.path in self._paths:
                return name
        channels = sorted({name.channel for name in self.names if name.topic == topic})
        raise InvalidInputError(
            f"the topic {topic!r} has no text for {channel} in {language!r} or a fallback",
            field="channel",
            hint=f"it has texts for {', '.join(channels)}",
        )

    def languages(self, topic: str) -> tuple[str, ...]:
        """Return the topic's languages, the one to fall back on first.

        Raises:
            InvalidInputError: There is no such topic.
        """
        if topic not in self._languages:
            raise InvalidInputError(
                f"there are no texts for a topic {topic!r}",
                field="topic",
                hint=did_you_mean(topic, self._languages),
            )
        return self._languages[topic]

    def example(self, topic: str) -> dict[str, object]:
        """Return the topic's example variables.

        Raises:
            InvalidInputError: The topic has no readable `example.json`.
        """
        self.languages(topic)
        return self._read_json(f"{topic}/example.json")

    def approved(self, name: TemplateName) -> Approved | None:
        """Return the approved text that says the same as a text for WhatsApp, if there is one."""
        if name.channel is not Channel.WHATSAPP:
            return None
        return self._approved[name.topic].get(name.language)

    def disputed(self, topic: str) -> str:
        """Return why a topic's author disputes that its texts promote; empty if he does not."""
        return self._disputed.get(topic, "")

    def source(self, path: str) -> str | None:
        """Return the content of a file; None if there is no such file."""
        return self._files.get(path)

    def _declared(self, topic: str) -> tuple[str, ...]:
        path = _topic_file(topic)
        if path not in self._paths:
            return (DEFAULT_LANGUAGE,)
        languages = self._read_json(path).get("languages")
        if not isinstance(languages, list) or not languages:
            raise InvalidInputError(
                f"{path} names no languages", field=path, hint='write {"languages": ["tr", "en"]}'
            )
        return tuple(str(language) for language in languages)

    def _approved_of(self, topic: str) -> dict[str, Approved]:
        path = _topic_file(topic)
        declared = self._read_json(path).get("whatsapp") if path in self._paths else None
        if declared is None:
            return {}
        texts = frozenset(
            name.language
            for name in self.names
            if name.topic == topic and name.channel is Channel.WHATSAPP
        )
        return read_approved(declared, file=path, texts=texts, example=self.example(topic))

    def _disputed_of(self, topic: str) -> str:
        path = _topic_file(topic)
        said = self._read_json(path).get("promotion") if path in self._paths else None
        if said is None:
            return ""
        reason = said.get("disputed") if isinstance(said, dict) and len(said) == 1 else None
        if not isinstance(reason, str) or len(reason.split()) < _A_REASON:
            raise InvalidInputError(
                f"{path}: promotion: it gives no reason",
                field=path,
                hint='write {"disputed": "why these words promote nothing here"}',
            )
        return " ".join(reason.split())

    def _read_json(self, path: str) -> dict[str, object]:
        source = self.source(path)
        if source is None:
            raise InvalidInputError(f"there is no {path}", field=path)
        try:
            content = json.loads(source)
        except json.JSONDecodeError as error:
            raise InvalidInputError(f"{path}:{error.lineno}: {error.msg}", field=path) from error
        if not isinstance(content, dict):
            raise InvalidInputError(f"{path} is no JSON object", field=path)
        return content


def _topic_file(topic: str) -> str:
    return f"{topic}/topic.json"


def _paths(folder: Traversable, prefix: str = "") -> Iterable[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _paths(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}"
