"""An eleventh channel with rules and texts of its own, as somebody adds it: by files alone."""

import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from api.app import create_app
from rules.profiles import SHIPPED as PROFILES
from rules.source import SHIPPED as RULES
from tellal.domain.cases import CaseState
from tellal.domain.channels import Lane
from tellal.domain.messages import UNSENT
from tellal.domain.tracking import grouped
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from templates.environment import SHIPPED as TEXTS, JinjaRenderer
from tests.services.test_case_matrix import CARRIERS, UNHURRIED
from tests.support.api import Served, Tenant, put_customer
from tests.support.desk import a_desk

PROFILE = """\
id: kiosk
name: Kiosk
source_system: KIOSK
requires: [queue_ticket]
call_before_close: always
notices:
  opened: [kiosk_opened]
  resolved: [case_resolved]
"""
RULE = """\
version: 1
package: kiosk
topics:
  - {id: kiosk_opened, means: Opened at a kiosk, class: service, expires: 2d}
channels:
  - {id: kiosk, means: By text, when: {topic: kiosk_opened}, send: [sms]}
"""
TEXT = "Kiosk kaydınız {{ case.number }}, takip kodu {{ case.tracking_code }}"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Folders of one's own: what ships, and a channel besides."""
    shutil.copytree(PROFILES, tmp_path / "intake")
    shutil.copytree(RULES, tmp_path / "rules")
    shutil.copytree(str(TEXTS), tmp_path / "texts")
    (tmp_path / "intake" / "kiosk.yaml").write_text(PROFILE, encoding="utf-8")
    (tmp_path / "rules" / "kiosk.yaml").write_text(RULE, encoding="utf-8")
    (tmp_path / "texts" / "kiosk_opened").mkdir()
    (tmp_path / "texts" / "kiosk_opened" / "sms.tr.j2").write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.mark.req("E23", "blocks")
@pytest.mark.req("E23", "allows")
async def test_a_channel_with_rules_and_texts_of_its_own_is_files_alone(
    served: Served, distributor: Tenant, folders: Path
) -> None:
    own = {"intake": folders / "intake", "rulebook": folders / "rules"}
    settings = served.settings.model_copy(update=own)
    there = replace(served, app=create_app(settings, clock=served.clock), settings=settings)
    await put_customer(distributor)
    said = {"customer": "ayse", "channel": "kiosk", "subject": "meter"}
    async with there.app.router.lifespan_context(there.app), there.client() as client:
        client.headers.update(distributor.client.headers)
        elsewhere = await distributor.client.post("/v1/cases", json=said)
        refused = await client.post("/v1/cases", json=said)
        case = (await client.post("/v1/cases", json={**said, "queue_ticket": "window 7"})).json()
        await there.desk.house.case_notices.notice(case["id"], CaseState.OPENED)
        early = await client.post(f"/v1/cases/{case['number']}/resolve", json={"result": "done"})
        page = await stranger(there, f"/track/{case['tracking_code']}")
        desk = a_desk(
            there.sessions,
            there.clock,
            carriers=CARRIERS,
            routes=UNHURRIED,
            renderer=JinjaRenderer(folders / "texts"),
        )
        await nothing_of_others_waits(there, distributor)
        texts = [one.text for one in await desk.claim(Lane.JOURNEYS, 100)]

    code = grouped(case["tracking_code"])
    assert "kiosk" not in elsewhere.json()["hint"]
    assert [one["field"] for one in refused.json()["errors"]] == ["queue_ticket"]
    assert (case["source_system"], case["queue_ticket"]) == ("KIOSK", "window 7")
    assert f"Kiosk kaydınız {case['number']}, takip kodu {code}" in texts
    assert early.json()["code"] == "call_missing"
    assert "<dd>Kiosk</dd>" in page.text
    assert "window 7" not in page.text


async def nothing_of_others_waits(served: Served, tenant: Tenant) -> None:
    """Cancel what other tests have left in the queue of the database that they share."""
    messages = table(MessageRow)
    waits = messages.c.state.in_(sorted(UNSENT)), messages.c.brand_id != tenant.brand.id
    async with served.sessions() as tx, tx.begin():
        await tx.execute(update(messages).where(*waits).values(state="cancelled"))


async def stranger(served: Served, path: str) -> httpx.Response:
    """Look at a page as anybody may."""
    async with served.client() as client:
        return await client.get(path, params={"lang": "en"})
