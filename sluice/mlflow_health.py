"""Whether MLflow answers, asked without its client: to import that takes a second and 100 MB."""

import httpx

from sluice.errors import ServiceUnavailableError
from sluice.settings import without_credentials


def ping(uri: str, account: tuple[str, str] | None = None) -> None:
    """Nothing is asked where the address is not one of HTTP.

    Args:
        account: user and password; MLflow itself answers this to anybody, what is in front of it may not.

    Raises:
        ServiceUnavailableError: it does not answer within three seconds, or not well.
    """
    if not uri.startswith("http"):
        return
    try:
        httpx.get(f"{without_credentials(uri)}/health", timeout=3, auth=account, trust_env=False).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise unavailable(uri, error) from None


def unavailable(uri: str, error: Exception) -> ServiceUnavailableError:
    """What to say of ``error``, which a request to MLflow ended with."""
    hint = f"Start it ('sluice up'), or set SLUICE_MLFLOW__URI ({type(error).__name__})."
    return ServiceUnavailableError(service="MLflow", address=without_credentials(uri), hint=hint)
