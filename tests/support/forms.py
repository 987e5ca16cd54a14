"""Public forms of brands."""

from tests.support.api import Served, Tenant

NOTICE = "Kişisel verileriniz başvurunuzu yanıtlamak için işlenir."
FORM = f"""
notice: aydinlatma-web
version: "4"
texts:
  tr: {NOTICE}
  en: We process your data to answer your application.
"""


def open_form(served: Served, tenant: Tenant, form: str = FORM) -> None:
    """Open the form of a brand, as an operator does: by a file."""
    folder = served.settings.web_forms
    assert folder is not None
    (folder / f"{tenant.brand.name}.yaml").write_text(form, encoding="utf-8")
