"""What the simulated İYS takes: the rules of its page "İzin Doğrulama Kuralları", by its codes.

Written from the documentation, apart from what Tellal itself checks: a mistake in the one must not
be repeated in the other.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from functools import cache
from typing import Any

import holidays

TURKEY = timezone(timedelta(hours=3))
FORM = "%Y-%m-%d %H:%M:%S"

_TYPES, _ROLES, _STATUSES = ("ARAMA", "MESAJ", "EPOSTA"), ("BIREYSEL", "TACIR"), ("ONAY", "RET")
_SOURCES = (
    "HS_FIZIKSEL_ORTAM", "HS_ISLAK_IMZA", "HS_WEB", "HS_CAGRI_MERKEZI", "HS_SOSYAL_MEDYA",
    "HS_EPOSTA", "HS_MESAJ", "HS_MOBIL", "HS_EORTAM", "HS_ETKINLIK", "HS_2015", "HS_ATM",
    "HS_KARAR",
)  # fmt: skip
_BEGINNING = datetime(2015, 5, 1, tzinfo=TURKEY)
_NUMBER = re.compile(r"\+[1-9][0-9]{4,14}")
_MAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_TURKISH = set("çğıöşüÇĞİÖŞÜ")
_MOST_BUSINESS_DAYS = 3

WORDS: Mapping[str, str] = {
    "H110": "Durum (status) bulunamadı.",
    "H111": "İzin tipi (type) bulunamadı.",
    "H112": "İzin tarihi (consentDate) bulunamadı.",
    "H113": "İzin kaynağı (source) bulunamadı.",
    "H114": "Alıcı (recipient) bulunamadı.",
    "H115": "Durum (status) için uygun değerler: ONAY, RET",
    "H117": "İzin tipi (type) için uygun değerler: ARAMA, MESAJ, EPOSTA",
    "H119": "İzin kaynağı (source) kabul edilemedi.",
    "H120": "Geçerli bir e-posta adresi giriniz.",
    "H121": "E164 formatına uygun bir telefon numarası girilmelidir.",
    "H124": "Saniyede kabul edilen istek limitine ulaşıldı.",
    "H125": "Tek seferde eklenecek izin sayısı en fazla 1000 olmalıdır.",
    "H155": "2015-05-01 00:00:00 tarihinden önceki tarihler girilmemelidir.",
    "H156": "HS_2015 için izin tarihi sadece 2015-05-01 00:00:00 olabilir.",
    "H158": "İzin tarihi yyyy-mm-dd hh:mm:ss formatında olmalıdır.",
    "H162": "Mevcut tarih ve saatten ileri bir tarih ve saat girilmemelidir.",
    "H170": "Alıcı tipi (recipientType) bulunamadı.",
    "H174": "İzin durumu (status) güncellemesi için farklı bir durum girilmelidir.",
    "H175": "İlk defa kaydedilen bir iznin durum (status) bilgisi RET olmamalıdır.",
    "H178": "Sistemdeki iznin tarihinden önceki tarihli izinlerle güncelleme yapılamaz.",
    "H194": "İzin listede daha önce tanımlandı.",
    "H351": "Eksik veya geçersiz jeton!",
    "H408": "HS_KARAR kaynağından iletilen izinler için durum bilgisi RET olmalıdır.",
    "H501": "Tarih formatı yanlış.",
    "H503": "İstek gövdesinde bulunabilecek değerler: BIREYSEL, TACIR",
}

TOO_OLD = "H999"
"""No document names the code of a record that is more than three business days old; it is not this
one, and must do its work all the same."""


def error(code: str, *location: str) -> dict[str, object]:
    """Write an error as İYS does."""
    return {"code": code, "location": list(location), "message": WORDS.get(code, "Hata")}


def form_errors(record: Mapping[str, Any]) -> list[dict[str, object]]:
    """Return what is wrong with a record by itself."""
    return [error(code, place) for code, place in _wrong_with(record)]


def _wrong_with(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind, role, status = (str(record.get(f) or "") for f in ("type", "recipientType", "status"))
    source, recipient = str(record.get("source") or ""), str(record.get("recipient") or "")
    if kind not in _TYPES:
        yield ("H117" if kind else "H111"), "type"
    if role not in _ROLES:
        yield ("H503" if role else "H170"), "recipientType"
    if status not in _STATUSES:
        yield ("H115" if status else "H110"), "status"
    if not recipient:
        yield "H114", "recipient"
    elif kind == "EPOSTA" and not _is_mail(recipient):
        yield "H120", "recipient"
    elif kind in {"ARAMA", "MESAJ"} and not _NUMBER.fullmatch(recipient):
        yield "H121", "recipient"
    if not source and role != "TACIR":
        yield "H113", "source"
    if source and source not in _SOURCES:
        yield "H119", "source"
    if source == "HS_KARAR" and status != "RET":
        yield "H408", "status"
    yield from _wrong_date(record.get("consentDate"), source, role)


def _wrong_date(given: object, source: str, role: str) -> Iterator[tuple[str, str]]:
    if given in {None, ""}:
        if role != "TACIR":
            yield "H112", "consentDate"
        return
    moment = moment_of(given)
    if moment is None:
        yield "H158", "consentDate"
    elif moment < _BEGINNING:
        yield "H155", "consentDate"
    elif source == "HS_2015" and moment != _BEGINNING:
        yield "H156", "consentDate"


def conflict(
    record: Mapping[str, Any], stored: Mapping[str, Any] | None, *, now: datetime, activated: bool
) -> str:
    """Return the code of what speaks against a well-formed record here and now; empty: nothing."""
    given = moment_of(record.get("consentDate"))
    if given is not None and given > now:
        return "H162"
    if stored is None:
        if record["status"] == "RET":
            return "H175"
    else:
        if stored["status"] == record["status"]:
            return "H174"
        before = moment_of(stored.get("consentDate"))
        if given is not None and before is not None and given <= before:
            return "H178"
    if activated and given is not None and _business_days(given, now) > _MOST_BUSINESS_DAYS:
        return TOO_OLD
    return ""


def key_of(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what İYS keeps one record of for a brand."""
    return (str(record["recipient"]).lower(), str(record["recipientType"]), str(record["type"]))


def moment_of(given: object) -> datetime | None:
    """Read a moment as İYS writes it, None if it is none."""
    try:
        return datetime.strptime(str(given), FORM).replace(tzinfo=TURKEY)
    except ValueError:
        return None


def _is_mail(recipient: str) -> bool:
    fits = 6 <= len(recipient) <= 265 and not _TURKISH & set(recipient)  # noqa: PLR2004 (İYS' own)
    return fits and _MAIL.fullmatch(recipient) is not None


def _business_days(begin: datetime, now: datetime) -> int:
    """Count the days since the one on which it began on which offices were open."""
    day, last, number = begin.astimezone(TURKEY).date(), now.astimezone(TURKEY).date(), 0
    while day < last and number <= _MOST_BUSINESS_DAYS:
        day += timedelta(days=1)
        number += day.weekday() < 5 and day not in _holidays(day.year)  # noqa: PLR2004 (Saturday)
    return number


@cache
def _holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("TR", years=year))
