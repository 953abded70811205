"""Where the engines' own pages are, for links: the addresses that the settings give, as a browser can open them."""

from typing import NamedTuple
from urllib.parse import urlsplit

from sluice.settings import Settings


class Links(NamedTuple):
    """Addresses without a slash at the end; empty where there is no page to open."""

    prefect: str
    mlflow: str
    dask: str

    @classmethod
    def of(cls, settings: Settings) -> "Links":
        return cls(
            prefect=_page(settings.prefect.pages),
            mlflow=_page(settings.mlflow.ui or settings.mlflow.uri),
            dask=_page(settings.dask.ui or settings.dask_dashboard),
        )


def _page(address: str) -> str:
    """The address without user and password, which no page may show; empty where a browser cannot open it."""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{_bracketed(parts.hostname)}{port}{parts.path.rstrip('/')}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
