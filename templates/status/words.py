"""The words of the public channels, in the languages of those who read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from tellal.domain.outages import OutageKind
from tellal.domain.status import ComponentStatus, Mood, PublicOutage, PublicState, Update, spoken

LANGUAGES = ("tr", "en", "pl")
LANGUAGE_NAMES: Mapping[str, str] = {"tr": "Türkçe", "en": "English", "pl": "Polski"}
_OF_COUNTRY: Mapping[str, str] = {"TR": "tr", "PL": "pl"}

_MOODS: Mapping[Mood, tuple[str, str, str]] = {
    Mood.FINE: ("Her şey çalışıyor", "Everything works", "Wszystko działa"),
    Mood.LOOKING: (
        "Bir sorun bildirildi, inceliyoruz",
        "A problem was reported, we are looking into it",
        "Zgłoszono problem, sprawdzamy go",
    ),
    Mood.WORKS: (
        "Planlı çalışma sürüyor",
        "Planned work is under way",
        "Trwają planowane prace",
    ),
    Mood.MINOR: ("Küçük bir aksaklık var", "Minor disruption", "Drobne zakłócenia"),
    Mood.MAJOR: ("Kısmi kesinti var", "Partial outage", "Częściowa awaria"),
    Mood.CRITICAL: ("Büyük kesinti var", "Major outage", "Poważna awaria"),
}
_STATES: Mapping[PublicState, tuple[str, str, str]] = {
    PublicState.INVESTIGATING: ("İnceleniyor", "Investigating", "Sprawdzamy"),
    PublicState.IDENTIFIED: ("Doğrulandı", "Confirmed", "Potwierdzone"),
    PublicState.MONITORING: ("İzleniyor", "Monitoring", "Obserwujemy"),
    PublicState.RESOLVED: ("Giderildi", "Resolved", "Usunięte"),
    PublicState.SCHEDULED: ("Planlandı", "Planned", "Zaplanowane"),
    PublicState.IN_PROGRESS: ("Sürüyor", "Under way", "W toku"),
    PublicState.VERIFYING: ("Kontrol ediliyor", "Being checked", "Sprawdzamy efekt"),
    PublicState.COMPLETED: ("Tamamlandı", "Completed", "Zakończone"),
}
_CANCELLED = ("İptal edildi", "Cancelled", "Odwołane")
_UNFOUNDED = ("Sorun bulunmadı", "No problem was found", "Nie stwierdzono problemu")
_STATUSES: Mapping[ComponentStatus, tuple[str, str, str]] = {
    ComponentStatus.OPERATIONAL: ("Çalışıyor", "Works", "Działa"),
    ComponentStatus.UNDER_MAINTENANCE: ("Bakımda", "Under maintenance", "Prace techniczne"),
    ComponentStatus.DEGRADED: ("Aksıyor", "Disrupted", "Działa z zakłóceniami"),
    ComponentStatus.PARTIAL_OUTAGE: ("Kısmi kesinti", "Partial outage", "Częściowa awaria"),
    ComponentStatus.MAJOR_OUTAGE: ("Kesinti", "Major outage", "Awaria"),
}
_EVENTS: Mapping[OutageKind, tuple[str, str, str]] = {
    OutageKind.FAILURE: ("Arıza", "Outage", "Awaria"),
    OutageKind.PLANNED: ("Planlı çalışma", "Planned work", "Planowane prace"),
}
_LABELS: Mapping[str, tuple[str, str, str]] = {
    "title": ("Hizmet durumu", "Service status", "Stan usług"),
    "skip": ("İçeriğe geç", "Skip to the content", "Przejdź do treści"),
    "exercise": (
        "TATBİKAT (EXERCISE) – gerçek bir kesinti değildir",
        "EXERCISE – this is no real outage",
        "ĆWICZENIE (EXERCISE) – to nie jest prawdziwa awaria",
    ),
    "stale": (
        "Sistemimize şu anda ulaşılamıyor. Gösterilen, son bilinen durumdur:",
        "Our system cannot be reached now. This is the last state that we know of:",
        "Nasz system jest teraz niedostępny. To ostatni znany stan:",
    ),
    "now": ("Şu anda", "Now", "Teraz"),
    "nothing_now": ("Bilinen bir kesinti yok.", "No outage is known.", "Brak znanych awarii."),
    "components": ("Hizmetler", "Services", "Usługi"),
    "component": ("Hizmet", "Service", "Usługa"),
    "status": ("Durum", "Status", "Stan"),
    "uptime": ("Son 90 gün", "Last 90 days", "Ostatnie 90 dni"),
    "uptime_means": (
        "Doğrulanmış arıza olmadan geçen sürenin payı; planlı çalışmalar sayılmaz.",
        "Share of the time without a confirmed failure; planned works are not counted.",
        "Udział czasu bez potwierdzonej awarii; planowane prace nie są liczone.",
    ),
    "planned": ("Planlı çalışmalar", "Planned works", "Planowane prace"),
    "nothing_planned": (
        "Planlı çalışma yok.",
        "No works are planned.",
        "Nie ma zaplanowanych prac.",
    ),
    "history": ("Son 90 günde", "In the last 90 days", "W ostatnich 90 dniach"),
    "nothing_before": ("Kayıt yok.", "Nothing to show.", "Brak zdarzeń."),
    "looked_into": (
        "Bildirilen bir sorun inceleniyor",
        "A reported problem is being looked into",
        "Sprawdzamy zgłoszony problem",
    ),
    "areas": ("Nerede", "Where", "Gdzie"),
    "since": ("Başlangıç", "Since", "Od"),
    "begins": ("Başlayacak", "Begins", "Początek"),
    "ended": ("Bitiş", "Ended", "Koniec"),
    "expected_end": ("Beklenen bitiş", "Expected end", "Przewidywany koniec"),
    "expected_before": (
        "Daha önce bildirilen",
        "Said before",
        "Wcześniej podawano",
    ),
    "said_at": ("bildirildi:", "said at", "podano:"),
    "reason": ("Neden", "Reason", "Przyczyna"),
    "workaround": ("Bu arada", "Meanwhile", "Tymczasem"),
    "hotline": ("Bilgi hattı", "Hotline", "Infolinia"),
    "affected": ("Etkilenen hizmetler", "Services concerned", "Usługi objęte"),
    "updates": ("Gelişmeler", "Updates", "Aktualizacje"),
    "as_of": ("Durum:", "As of", "Stan na:"),
    "zone": ("Saat dilimi:", "Times are those of", "Strefa czasowa:"),
    "languages": ("Diller", "Languages", "Języki"),
    "subscribe": ("Takip edin", "Follow", "Śledź"),
    "feed": ("Atom beslemesi", "Atom feed", "Kanał Atom"),
    "calendar": (
        "Planlı çalışmaların takvimi (iCalendar)",
        "Calendar of planned works (iCalendar)",
        "Kalendarz planowanych prac (iCalendar)",
    ),
    "json": ("JSON", "JSON", "JSON"),
    "hotline_text": ("Bilgi hattı metni", "Text of the hotline", "Tekst infolinii"),
    "all_fine": (
        "Şu anda bilinen bir kesinti yok.",
        "There is no known outage at present.",
        "Obecnie nie ma znanych awarii.",
    ),
    "until_about": ("Beklenen bitiş:", "Expected end:", "Przewidywany koniec:"),
    "everybody": ("Tüm müşteriler", "All customers", "Wszyscy klienci"),
}
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def language_of(wanted: str, accepted: str, country: str) -> str:
    """Return the language to speak: wanted, else one that the reader takes, else his land's.

    `accepted` is a header Accept-Language (RFC 9110 section 12.5.4).
    """
    for offered in (wanted, *_accepted(accepted)):
        spoken_there = offered.partition("-")[0].strip().lower()
        if spoken_there in LANGUAGES:
            return spoken_there
    return own_language(country)


def own_language(country: str) -> str:
    """Return the language of a brand's country, English where we speak no other."""
    return _OF_COUNTRY.get(country, "en")


def _accepted(header: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for part in header.split(","):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if quality > 0:
            weighed.append((quality, tag.strip()))
    return [tag for _, tag in sorted(weighed, key=lambda one: -one[0])]


@dataclass(frozen=True, slots=True)
class Words:
    """Everything in one language, and times as a brand's people read them."""

    language: str
    timezone: str

    def __getitem__(self, label: str) -> str:
        """Return a label."""
        return self._pick(_LABELS[label])

    def mood(self, mood: Mood) -> str:
        """Say how it is altogether."""
        return self._pick(_MOODS[mood])

    def state(self, state: PublicState, *, cancelled: bool = False, confirmed: bool = True) -> str:
        """Say where an outage is."""
        if cancelled:
            return self._pick(_CANCELLED)
        if state is PublicState.RESOLVED and not confirmed:
            return self._pick(_UNFOUNDED)
        return self._pick(_STATES[state])

    def state_of(self, one: PublicOutage | Update) -> str:
        """Say where an outage is, or was when something was said of it."""
        return self.state(one.state, cancelled=one.cancelled, confirmed=one.confirmed)

    def status(self, status: ComponentStatus) -> str:
        """Say how a component does."""
        return self._pick(_STATUSES[status])

    def event(self, kind: OutageKind) -> str:
        """Say what kind of thing it is."""
        return self._pick(_EVENTS[kind])

    def title(self, outage: PublicOutage) -> str:
        """Return what an outage is called; a suspicion has no name yet."""
        return outage.title or self["looked_into"]

    def text(self, update: Update) -> str:
        """Return what was said, or where it stands if nothing was said."""
        return spoken(update.text, self.language, "en")[0] or self.state_of(update)

    def text_language(self, update: Update) -> str:
        """Return the language of `text`."""
        found, language = spoken(update.text, self.language, "en")
        return language if found else self.language

    def name(self, names: Mapping[str, str]) -> str:
        """Return a name in this language, else in English, else in any."""
        return spoken(names, self.language, "en")[0]

    def when(self, at: datetime) -> str:
        """Write a time as it is read on the brand's clocks."""
        local = at.astimezone(ZoneInfo(self.timezone))
        if self.language == "en":
            return f"{local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H:%M}"
        return f"{local:%d.%m.%Y %H:%M}"

    def share(self, part: float) -> str:
        """Write a share in per cent, with two places and never rounded up to a whole."""
        number = f"{int(part * 10_000) / 100:.2f}"
        if self.language == "tr":
            return f"%{number}".replace(".", ",")
        return f"{number}%" if self.language == "en" else f"{number}%".replace(".", ",")

    def _pick(self, said: tuple[str, str, str]) -> str:
        return said[LANGUAGES.index(self.language)]
