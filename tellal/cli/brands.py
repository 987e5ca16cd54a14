"""Commands for brands and for the keys by which their systems call the API."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")

brands = typer.Typer(help="Brands: the senders.", no_args_is_help=True)
keys = typer.Typer(help="Keys to the API.", no_args_is_help=True)

BrandName = Annotated[str, typer.Argument(help="The brand's name, for example green-bank.")]
KeyId = Annotated[str, typer.Argument(help="The key's id, as `tellal keys list` shows it.")]


@brands.command("create")
def create_brand(
    name: BrandName,
    *,
    trade_name: Annotated[str, typer.Option(help="The name that customers read.")],
    country: Annotated[str, typer.Option(help="Two capital letters.")] = "TR",
    timezone: Annotated[str, typer.Option(help="As in Europe/Istanbul.")] = "Europe/Istanbul",
    phone: Annotated[str, typer.Option(help="The number to call; texts name it.")] = "",
    email: Annotated[str, typer.Option(help="Where customers may write to.")] = "",
    mersis: Annotated[str, typer.Option(help="The number in the Turkish trade register.")] = "",
    sms_sender: Annotated[str, typer.Option(help="Who a text message comes from.")] = "",
    email_sender: Annotated[str, typer.Option(help="Who an e-mail comes from.")] = "",
    whatsapp_sender: Annotated[
        str, typer.Option(help="The number, as in +905321234567, or MG… that writes on WhatsApp.")
    ] = "",
) -> None:
    """Create a brand, and say which texts cannot be sent for what it leaves out."""
    from tellal.clock import SystemClock
    from tellal.services.brand_gaps import gaps_of
    from tellal.services.brands import create_brand as create
    from templates.environment import JinjaRenderer

    brand = _do(
        lambda tx: create(
            tx,
            name=name,
            trade_name=trade_name,
            now=SystemClock().now(),
            country=country,
            timezone=timezone,
            phone=phone,
            email=email,
            mersis=mersis,
            sms_sender=sms_sender,
            email_sender=email_sender,
            whatsapp_sender=whatsapp_sender,
        )
    )
    typer.echo(f"The brand {brand.name} exists now. Next: tellal keys create {brand.name} NAME")
    for missing, topics in gaps_of(brand, JinjaRenderer()).items():
        named = ", ".join(f"{topic} ({', '.join(of)})" for topic, of in topics.items())
        typer.echo(f"It has no {missing}, so these texts cannot be sent: {named}.", err=True)


@brands.command("profile")
def set_profile(
    name: BrandName,
    *,
    trade_name: Annotated[str | None, typer.Option(help="As in the trade register.")] = None,
    mersis: Annotated[
        str | None,
        typer.Option(help="16 digits; MERSİS, the central registry system, shows them."),
    ] = None,
    owner: Annotated[str | None, typer.Option(help="A sole trader's name and surname.")] = None,
    tckn: Annotated[str | None, typer.Option(help="His Turkish identity number.")] = None,
    phone: Annotated[str | None, typer.Option(help="The number to call.")] = None,
    email: Annotated[str | None, typer.Option(help="Where to write to.")] = None,
    short_number: Annotated[str | None, typer.Option(help="The short number to call.")] = None,
    exemption: Annotated[
        str | None, typer.Option(help="What frees it of asking, as in telecom_operator.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="As in capital_market_intermediary.")] = None,
    sector: Annotated[str | None, typer.Option(help="As in banking.")] = None,
    short_code: Annotated[
        list[str] | None,
        typer.Option(help="CODE, or CODE:KEYWORD if it is shared; may be repeated. All of them."),
    ] = None,
) -> None:
    """Show who a brand is in law, as its messages must say; options change it."""
    from dataclasses import replace

    from tellal.domain.senders import SenderKind, SenderProfile, ShortCode, doubts_of
    from tellal.services.brands import find_brand
    from tellal.services.senders import sender_profile, set_sender_profile

    said = {
        "trade_name": trade_name,
        "mersis": mersis,
        "owner": owner,
        "tckn": tckn,
        "phone": phone,
        "email": email,
        "short_number": short_number,
        "exemption": exemption,
        "licence": licence,
        "sector": sector,
    }
    changes = {field: value for field, value in said.items() if value is not None}

    async def work(tx: "AsyncSession") -> SenderProfile:
        brand = await find_brand(tx, name)
        profile = replace(await sender_profile(tx, brand), **changes)  # type: ignore[arg-type]
        if short_code is not None:
            split = [one.partition(":") for one in short_code]
            codes = tuple(ShortCode(code=code, keyword=word) for code, _, word in split)
            profile = replace(profile, short_codes=codes)
        if not changes and short_code is None:
            return profile
        kind = SenderKind.SOLE_TRADER if profile.tckn or profile.owner else SenderKind.COMPANY
        return await set_sender_profile(tx, brand, replace(profile, kind=kind))

    found = _do(work)
    for field in ("kind", *said):
        typer.echo(f"{field}: {getattr(found, field) or '-'}")
    codes = ", ".join(f"{one.code} {one.keyword}".strip() for one in found.short_codes)
    typer.echo(f"short codes: {codes or '-'}")
    for doubt in doubts_of(found):
        typer.echo(doubt, err=True)


@keys.command("create")
def create_key(
    brand: BrandName,
    name: Annotated[str, typer.Argument(help="Whose key it is, for example core-banking.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it opens; may be repeated. All, if neither it nor a role is named."
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="How long it lives; else for ever.")
    ] = None,
    *,
    person: Annotated[
        str, typer.Option(help="The account of whose own key it is, as in ada@bank.example.")
    ] = "",
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="What the person does: author, approver, operator, officer, auditor, engineer."
        ),
    ] = None,
    rehearses: Annotated[
        bool,
        typer.Option("--rehearses", help="What it sets off reaches nobody; it makes no keys."),
    ] = False,
) -> None:
    """Create a key. It is shown this once: only its digest is kept."""
    from tellal.clock import SystemClock
    from tellal.services import keys as service
    from tellal.services.brands import find_brand

    now = SystemClock().now()
    end = None if days is None else now + timedelta(days=days)

    async def work(tx: "AsyncSession") -> str:
        owner = await find_brand(tx, brand)
        named = scope or []
        if not named and not role:
            named = [s for s in service.Scope if not (rehearses and s is s.KEYS_ADMIN)]
        _, token = await service.create_key(
            tx,
            owner.id,
            name,
            named,
            end,
            now=now,
            rehearses=rehearses,
            person=person,
            roles=role or (),
        )
        return token

    typer.echo(_do(work))


@keys.command("list")
def list_keys(brand: BrandName) -> None:
    """List the brand's keys, with when they were used last."""
    from tellal.clock import SystemClock
    from tellal.services import keys as service
    from tellal.services.brands import find_brand

    async def work(tx: "AsyncSession") -> tuple[service.ApiKey, ...]:
        return await service.list_keys(tx, (await find_brand(tx, brand)).id)

    now = SystemClock().now()
    for key in _do(work):
        state = "works" if key.works(now) else "spent"
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
        kind = "  rehearses" if key.rehearses else ""
        whose = f"  of {key.person}" if key.person else ""
        roles = f" ({', '.join(key.roles)})" if key.roles else ""
        words = f"{key.name}{whose}{roles}{kind}"
        typer.echo(f"{key.id}  …{key.hint}  {state}  used {used}  {words}")


@keys.command("rotate")
def rotate_key(
    brand: BrandName,
    key: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, help="How long the old one lives on.")
    ] = 24,
) -> None:
    """Put a new key in the place of one; the old one works on for the overlap."""
    from tellal.clock import SystemClock
    from tellal.services import keys as service
    from tellal.services.brands import find_brand

    async def work(tx: "AsyncSession") -> str:
        owner = await find_brand(tx, brand)
        overlap = timedelta(hours=overlap_hours)
        now = SystemClock().now()
        _, token = await service.rotate_key(tx, owner.id, key, overlap=overlap, now=now)
        return token

    typer.echo(_do(work))


@keys.command("revoke")
def revoke_key(brand: BrandName, key: KeyId) -> None:
    """Revoke a key at once."""
    from tellal.clock import SystemClock
    from tellal.services import keys as service
    from tellal.services.brands import find_brand

    async def work(tx: "AsyncSession") -> None:
        owner = await find_brand(tx, brand)
        await service.revoke_key(tx, owner.id, key, now=SystemClock().now())

    _do(work)
    typer.echo("It opens nothing any more.")


def _do(work: "Callable[[AsyncSession], Awaitable[T]]") -> T:
    """Do it in the database that the settings name."""
    from tellal.cli.transaction import in_transaction
    from tellal.settings import Settings

    return in_transaction(Settings().database_url.get_secret_value(), work)
