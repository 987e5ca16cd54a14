"""Who a brand is in law, as its messages must say, and the short numbers on which it is heard."""

from dataclasses import replace

from sqlalchemy import delete, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.keyword_files import keyword_books
from rules.law_rows import load_law
from rules.vocabulary import did_you_mean
from tellal.addresses import email_address, phone_number
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError
from tellal.domain.keywords import compact
from tellal.domain.senders import SenderKind, SenderProfile, ShortCode, check_profile
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand
from tellal.persistence.tables.brands import BrandRow, ShortCodeRow

_brands = table(BrandRow)
_codes = table(ShortCodeRow)

_KEPT_IN_BRAND = (
    "trade_name", "mersis", "owner", "tckn", "phone", "email", "short_number",
    "exemption", "licence", "sector",
)  # fmt: skip


async def sender_profile(tx: AsyncSession, brand: Brand) -> SenderProfile:
    """Read a brand's profile; one that was never set may lack what the law wants."""
    query = select(_codes.c.code, _codes.c.keyword).where(_codes.c.brand_id == brand.id)
    rows = await tx.execute(query.order_by(_codes.c.code, _codes.c.keyword))
    return SenderProfile(
        kind=SenderKind(brand.kind),
        **{name: getattr(brand, name) for name in _KEPT_IN_BRAND},
        short_codes=tuple(ShortCode(code=row.code, keyword=row.keyword) for row in rows),
    )


async def set_sender_profile(
    tx: AsyncSession, brand: Brand, profile: SenderProfile
) -> SenderProfile:
    """Set a brand's profile, its short codes with it.

    Raises:
        InvalidInputError: It lacks what the law wants, or something cannot be.
        ConflictError: A short code is another brand's.
    """
    wanted = _normalised(profile, brand.country)
    check_profile(wanted)
    _check_words(wanted)
    _check_keywords(wanted, brand.country)
    values = {"kind": wanted.kind.value} | {name: getattr(wanted, name) for name in _KEPT_IN_BRAND}
    await tx.execute(update(_brands).where(_brands.c.id == brand.id).values(**values))
    await tx.execute(delete(_codes).where(_codes.c.brand_id == brand.id))
    for code in wanted.short_codes:
        await _take(tx, brand, code)
    return await sender_profile(tx, await read_brand(tx, brand.id))


def _check_words(profile: SenderProfile) -> None:
    """See that a country's law knows a sender as what it says it is."""
    law = load_law()
    for field, said, known in (
        ("exemption", profile.exemption, law.exemptions),
        ("licence", profile.licence, law.licences),
        ("sector", profile.sector, law.sectors),
    ):
        if said and said not in known:
            near = did_you_mean(said, known) or f"one of {', '.join(sorted(known))}"
            message = f"no law knows the {field} {said!r}"
            raise InvalidInputError(message, field=field, hint=near)


def _check_keywords(profile: SenderProfile, country: str) -> None:
    """See that no keyword means something by itself: a RET must never be taken for a brand."""
    lexicon = keyword_books().of(country).lexicon
    for one in profile.short_codes:
        if one.keyword and lexicon.find(compact(one.keyword)) is not None:
            raise InvalidInputError(
                f"{one.keyword!r} means something by itself, to whoever writes it",
                field="short_codes",
                hint="take a word that is nobody's yes, no or help",
            )


async def _take(tx: AsyncSession, brand: Brand, one: ShortCode) -> None:
    """Give a short code to a brand: its own is nobody else's, a shared one has a keyword each."""
    # Who takes a code comes one at a time, or an own code could become shared meanwhile.
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"short_code:{one.code}"))))
    meant = (_codes.c.keyword == "") | (_codes.c.keyword == one.keyword)
    clash = select(_codes.c.code).where(
        _codes.c.code == one.code,
        _codes.c.brand_id != brand.id,
        meant if one.keyword else true(),
    )
    if (await tx.execute(clash.limit(1))).one_or_none() is not None:
        named = f"{one.code} {one.keyword}".strip()
        raise ConflictError(
            f"the short code {named!r} is another brand's",
            code="short_code_taken",
            hint="a shared code needs a keyword that no other brand has",
        )
    values = {"code": one.code, "keyword": one.keyword, "brand_id": brand.id}
    await tx.execute(insert(_codes).values(**values))


def _normalised(profile: SenderProfile, region: str) -> SenderProfile:
    """Write what people write with blanks in one way; keywords as they are compared."""
    codes = tuple(
        ShortCode(code=one.code.strip(), keyword=_folded(one.keyword))
        for one in profile.short_codes
    )
    return replace(
        profile,
        mersis="".join(profile.mersis.split()),
        tckn="".join(profile.tckn.split()),
        phone=_phone(profile.phone, region),
        email=_email(profile.email),
        short_codes=codes,
    )


def _folded(keyword: str) -> str:
    """Write a keyword in capitals, `i` as `İ` and `I` alike: phones do not agree on them."""
    return keyword.strip().replace("ı", "I").replace("i", "I").upper().replace("İ", "I")


def _phone(said: str, region: str) -> str:
    if not said:
        return ""
    try:
        phone_number(said, region=region)
    except InvalidInputError as error:
        raise InvalidInputError(str(error), field="phone", hint=error.hint) from error
    # Texts show it as its owner writes it.
    return said


def _email(said: str) -> str:
    if not said:
        return ""
    try:
        return email_address(said)
    except InvalidInputError as error:
        raise InvalidInputError(str(error), field="email", hint=error.hint) from error
