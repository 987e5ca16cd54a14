"""Providers of other packages: found by their entry points, or told what is wrong."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tellal.domain.errors import InvalidInputError
from tellal.plugins import third_parties
from tellal.settings import Settings

MODULE = """
class Acme:
    provider = {provider!r}

    def __init__(self, settings):
        self.queue = settings.task_queue
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *, provider: str = "acme") -> None:
    """Install a package that offers the provider `acme`, as pip would."""
    (folder / "acme_texts.py").write_text(MODULE.format(provider=provider))
    meta = folder / "acme_texts-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-texts\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[tellal.providers]\nacme = acme_texts:Acme\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "acme_texts", raising=False)
    assert EntryPoint("acme", "acme_texts:Acme", "tellal.providers").load().provider == provider


def test_a_provider_of_another_package_is_made_with_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch)
    settings = Settings(third_party_providers=("acme",), task_queue="q")

    sender = third_parties(settings)["acme"]

    assert sender.provider == "acme"
    assert vars(sender) == {"queue": "q"}
    assert "acme" in settings.providers


def test_what_nobody_asked_for_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch)

    assert third_parties(Settings()) == {}


def test_a_provider_that_is_not_installed_is_told_with_what_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch)

    with pytest.raises(InvalidInputError, match="'acne'") as refused:
        third_parties(Settings(third_party_providers=("acne",)))

    assert "acme" in refused.value.hint


def test_a_provider_under_another_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, provider="twilio")

    with pytest.raises(InvalidInputError, match="calls itself 'twilio'"):
        third_parties(Settings(third_party_providers=("acme",)))
