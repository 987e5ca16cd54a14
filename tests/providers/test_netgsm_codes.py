"""What each of NetGSM's codes and statuses means for a message."""

from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from activities.providers.netgsm.codes import ACCEPTED, CODES, STATUSES
from activities.providers.netgsm.reports import receipt_of, secret_is_valid
from activities.providers.netgsm.sms import NetgsmSms
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import Answer, MessageState, Remedy, may_become
from tellal.ids import new_id
from tellal.settings import NetgsmSettings
from tests.providers.test_netgsm_sms import TO, a_text
from tests.support.answering import Answering
from tests.support.carrier import CarrierProbe

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
JOB = "17377215342605050417149344"


@pytest.fixture
async def sms(carrier: CarrierProbe) -> AsyncGenerator[NetgsmSms]:
    sender = NetgsmSms(carrier.netgsm())
    yield sender
    await sender.close()


@pytest.mark.parametrize(
    ("code", "answer", "remedy"),
    [
        pytest.param("20", Answer.REJECTED, Remedy.NEXT_CHANNEL, id="text"),
        pytest.param("30", Answer.REJECTED, Remedy.HALT, id="credentials"),
        pytest.param("40", Answer.REJECTED, Remedy.HALT, id="sender name"),
        pytest.param("50", Answer.REJECTED, Remedy.NEXT_CHANNEL, id="no IYS contract"),
        pytest.param("51", Answer.REJECTED, Remedy.NEXT_CHANNEL, id="no IYS brand"),
        pytest.param("70", Answer.REJECTED, Remedy.NEXT_CHANNEL, id="parameter"),
        pytest.param("80", Answer.REJECTED, Remedy.RETRY, id="limit"),
        pytest.param("85", Answer.REJECTED, Remedy.RETRY, id="limit of a number"),
        pytest.param("100", Answer.AMBIGUOUS, Remedy.RECONCILE, id="their mishap"),
        pytest.param("101", Answer.AMBIGUOUS, Remedy.RECONCILE, id="their other mishap"),
        pytest.param("5000", Answer.AMBIGUOUS, Remedy.RECONCILE, id="undefined"),
        pytest.param("77", Answer.REJECTED, Remedy.NEXT_CHANNEL, id="unheard of"),
    ],
)
async def test_every_code_says_what_to_do(
    sms: NetgsmSms, carrier: CarrierProbe, code: str, answer: Answer, remedy: Remedy
) -> None:
    carrier.fault("error", {"to": TO}, code=code)

    given = await sms.send(a_text())

    assert (given.answer, given.code, given.remedy) == (answer, code, remedy)
    assert (carrier.requests(), carrier.taken()) == (1, 0)


def test_the_codes_above_are_all_that_the_table_has() -> None:
    [mark] = test_every_code_says_what_to_do.pytestmark  # type: ignore[attr-defined]
    tried = {case.values[0] for case in mark.args[1]}

    assert tried - {"77"} == set(CODES)
    assert not ACCEPTED & set(CODES)


@pytest.mark.parametrize(
    ("http", "document", "answer", "remedy", "code"),
    [
        pytest.param(
            200, {"code": "02", "jobid": JOB}, Answer.ACCEPTED, None, "", id="dates were mended"
        ),
        pytest.param(
            200, {"code": "00"}, Answer.AMBIGUOUS, Remedy.RECONCILE, "unreadable", id="no job"
        ),
        pytest.param(200, [], Answer.AMBIGUOUS, Remedy.RECONCILE, "unreadable", id="no object"),
        pytest.param(
            200, {"code": "03"}, Answer.AMBIGUOUS, Remedy.RECONCILE, "03", id="unheard of success"
        ),
        pytest.param(
            406, {"code": "00"}, Answer.AMBIGUOUS, Remedy.RECONCILE, "00", id="contradiction"
        ),
        pytest.param(
            500, {"code": "70"}, Answer.AMBIGUOUS, Remedy.RECONCILE, "70", id="500 with a code"
        ),
        pytest.param(302, None, Answer.AMBIGUOUS, Remedy.RECONCILE, "302", id="sent elsewhere"),
        pytest.param(403, None, Answer.REJECTED, Remedy.HALT, "403", id="forbidden"),
        pytest.param(404, None, Answer.REJECTED, Remedy.NEXT_CHANNEL, "404", id="no such address"),
        pytest.param(200, {"code": "80"}, Answer.REJECTED, Remedy.RETRY, "80", id="limit, 200"),
    ],
)
async def test_an_answer_that_is_not_the_usual_one(
    http: int, document: object, answer: Answer, remedy: Remedy | None, code: str
) -> None:
    async with Answering(http, document) as server:
        sender = NetgsmSms(NetgsmSettings(usercode="u", header="BANKA", base_url=server.url))
        given = await sender.send(a_text())
        await sender.close()

    assert (given.answer, given.remedy, given.code) == (answer, remedy, code)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "state", "remedy"),
    [
        pytest.param(0, MessageState.ACCEPTED, None, id="waits"),
        pytest.param(1, MessageState.DELIVERED, None, id="sent"),
        pytest.param(2, MessageState.UNDELIVERED, Remedy.NEXT_CHANNEL, id="expired"),
        pytest.param(3, MessageState.FAILED, Remedy.BAD_ADDRESS, id="invalid number"),
        pytest.param(4, MessageState.FAILED, Remedy.NEXT_CHANNEL, id="not sent"),
        pytest.param(11, MessageState.FAILED, Remedy.NEXT_CHANNEL, id="rejected"),
        pytest.param(12, MessageState.UNDELIVERED, Remedy.NEXT_CHANNEL, id="error"),
        pytest.param(13, MessageState.FAILED, Remedy.NEXT_CHANNEL, id="duplicate"),
        pytest.param(14, MessageState.FAILED, Remedy.HALT, id="no credit"),
        pytest.param(15, MessageState.FAILED, Remedy.NEXT_CHANNEL, id="black list"),
        pytest.param(16, MessageState.FAILED, Remedy.OPTED_OUT, id="refused at IYS"),
        pytest.param(17, MessageState.FAILED, Remedy.NEXT_CHANNEL, id="IYS error"),
    ],
)
@pytest.mark.parametrize("written", [int, str], ids=["queried", "pushed"])
def test_every_status_says_what_became_of_the_message(
    status: int, state: MessageState, remedy: Remedy | None, written: type
) -> None:
    message = new_id()
    report = {"jobid": JOB, "status": written(status), "referansID": f"{message}-2"}

    receipt = receipt_of(report, AT)

    assert (receipt.state, receipt.remedy, receipt.code) == (state, remedy, str(status))
    assert (receipt.provider, receipt.reference) == ("netgsm", JOB)
    assert (receipt.message_id, receipt.received_at) == (message, AT)


def test_every_status_is_one_that_an_unanswered_message_may_take() -> None:
    assert len(STATUSES) == 12
    assert all(may_become(MessageState.UNKNOWN, state) for state, _ in STATUSES.values())


@pytest.mark.parametrize("reference", ["", "order-7", "x" * 26 + "-1"])
def test_a_reference_that_is_not_ours_names_no_message(reference: str) -> None:
    report = {"jobid": JOB, "status": "1", "referansID": reference}

    assert receipt_of(report, AT).message_id == ""


@pytest.mark.parametrize(
    "report",
    [
        pytest.param({}, id="empty"),
        pytest.param({"status": "1"}, id="no job"),
        pytest.param({"jobid": JOB}, id="no status"),
        pytest.param({"jobid": JOB, "status": "99"}, id="unheard of"),
        pytest.param({"jobid": JOB, "status": "-1"}, id="negative"),
        pytest.param({"jobid": JOB, "status": "delivered"}, id="a word"),
    ],
)
def test_a_report_that_says_nothing_is_refused(report: Mapping[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        receipt_of(report, AT)


@pytest.mark.parametrize(
    ("secret", "given", "valid"),
    [
        pytest.param("hush", "hush", True, id="ours"),
        pytest.param("hush", "hus", False, id="another"),
        pytest.param("hush", "şş", False, id="not ASCII"),
        pytest.param("", "", False, id="none is set"),
    ],
)
def test_a_push_is_believed_by_its_address_alone(secret: str, given: str, valid: bool) -> None:
    settings = NetgsmSettings(callback_secret=SecretStr(secret))

    assert secret_is_valid(settings, given) is valid
