"""Settings decide what a stack starts, and reach its processes unchanged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from tellal.settings import (
    FcmSettings,
    NetgsmSettings,
    Settings,
    SmppSettings,
    SmtpSettings,
    TwilioSettings,
)
from tellal.stack.blueprint import draw, furnish
from tellal.stack.environment import child_environment

READ_BACK = """
import json
from tellal.settings import Settings
s = Settings()
print(json.dumps([s.model_dump(mode="json"), s.twilio.auth_token.get_secret_value()]))
"""


def test_a_child_reads_the_settings_that_it_was_given(tmp_path: Path) -> None:
    settings = Settings(
        database_url=SecretStr("postgresql+psycopg://me:secret@db/tellal"),
        TEMPORAL_ADDRESS="temporal:7233",
        rulebook=Path("/etc/tellal/rules"),
        twilio=TwilioSettings(account_sid="AC1", auth_token=SecretStr("hush"), timeout_s=1.5),
        smpp={"operator": SmppSettings(host="smpp.example", system_id="bank", window=3)},
    )

    child = subprocess.run(
        [sys.executable, "-c", READ_BACK],
        env=child_environment(settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    dumped, token = json.loads(child.stdout)
    assert dumped == settings.model_dump(mode="json")
    assert token == "hush"


def test_a_child_finds_a_folder_that_was_named_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    environment = child_environment(Settings(intake=Path("my-intake")))

    assert environment["TELLAL_INTAKE"] == str(tmp_path / "my-intake")


def test_a_child_gets_no_setting_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLAL_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "elsewhere")

    environment = child_environment(Settings(log_level="ERROR", TEMPORAL_NAMESPACE="default"))

    assert environment["TELLAL_LOG_LEVEL"] == "ERROR"
    assert environment["TEMPORAL_NAMESPACE"] == "default"


def test_without_settings_everything_is_started() -> None:
    plan = draw(Settings(), familiar=False)

    assert plan.postgres
    assert plan.temporal
    assert plan.carrier
    assert plan.mailbox
    assert len(set(plan.ports.values())) == len(plan.ports)


def test_what_the_settings_name_is_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLAL_DATABASE_URL", "postgresql+psycopg://db/tellal")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal:7233")
    monkeypatch.setenv("TELLAL_SMTP__HOST", "relay")
    settings = Settings(
        twilio=TwilioSettings(account_sid="AC1"),
        fcm=FcmSettings(project="p"),
        public_url="https://t",
        metrics_port=9464,
    )

    plan = draw(settings, familiar=False)

    assert (plan.postgres, plan.temporal, plan.carrier, plan.mailbox) == (False,) * 4
    assert furnish(settings, plan) == settings


def test_one_real_provider_leaves_the_others_simulated() -> None:
    settings = Settings(twilio=TwilioSettings(account_sid="AC1"), smtp=SmtpSettings(timeout_s=3))
    plan = draw(settings, familiar=False)

    furnished = furnish(settings, plan)

    assert furnished.twilio == settings.twilio
    assert furnished.fcm.base_url == plan.url_of("carrier")
    assert furnished.smtp.port == plan.ports["smtp"]
    assert furnished.smtp.timeout_s == 3
    assert furnished.netgsm == settings.netgsm
    assert furnished.public_url == plan.url_of("api")


def test_without_a_real_gateway_for_texts_all_of_them_are_simulated() -> None:
    settings = Settings(netgsm=NetgsmSettings(header="BANKA", timeout_s=3))
    plan = draw(settings, familiar=False)

    furnished = furnish(settings, plan)

    assert furnished.twilio.base_url == furnished.netgsm.base_url == plan.url_of("carrier")
    assert furnished.netgsm.usercode
    assert furnished.netgsm.password.get_secret_value()
    assert furnished.netgsm.callback_secret.get_secret_value()
    assert (furnished.netgsm.header, furnished.netgsm.timeout_s) == ("BANKA", 3)


def test_a_real_netgsm_stays_real() -> None:
    settings = Settings(netgsm=NetgsmSettings(usercode="8503330000"))

    assert furnish(settings, draw(settings, familiar=False)).netgsm == settings.netgsm
