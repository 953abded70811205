"""MLflow's registry over its HTTP interface: to import its client takes a second and 100 MB."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx

from sluice.mlflow_health import unavailable
from sluice.settings import MlflowSettings, without_credentials

_LIMIT = 10.0
_PAGE = 100


class Registered(NamedTuple):
    """The version that an alias of a model names, and what was measured of it."""

    model: str
    alias: str
    version: str
    trained: datetime
    metrics: Mapping[str, float]


class MlflowAliases:
    """Versions do not change: each is read once, its metrics whenever its alias is looked at, for they may be added to.

    An address that is none of HTTP, a database's, is not read.
    """

    def __init__(self, settings: MlflowSettings) -> None:
        self._uri = settings.uri
        self._account = settings.account
        self._versions: dict[tuple[str, str], dict[str, Any]] = {}

    def read(self) -> list[Registered]:
        """Every alias of every model, by name.

        Raises:
            ServiceUnavailableError: it does not answer, or not well.
        """
        if not self._uri.startswith("http"):
            return []
        base = f"{without_credentials(self._uri).rstrip('/')}/api/2.0/mlflow"
        try:
            with httpx.Client(base_url=base, timeout=_LIMIT, trust_env=False, auth=self._account) as client:
                found = [one for model in _models(client) for one in self._aliases(client, model)]
        except (httpx.HTTPError, httpx.InvalidURL, KeyError, TypeError, ValueError) as error:
            raise unavailable(self._uri, error) from None
        return sorted(found)

    def _aliases(self, client: httpx.Client, model: Mapping[str, Any]) -> Iterator[Registered]:
        for alias in model.get("aliases") or ():
            name, number = model["name"], str(alias["version"])
            version = self._versions.get((name, number))
            if version is None:
                answer = _ask(client, "/model-versions/get", name=name, version=number)
                version = self._versions[name, number] = answer["model_version"]
            trained = datetime.fromtimestamp(int(version["creation_timestamp"]) / 1000, UTC)
            yield Registered(name, alias["alias"], number, trained, _metrics(client, version.get("run_id")))


def _models(client: httpx.Client) -> Iterator[dict[str, Any]]:
    token = ""
    while True:
        more = {"page_token": token} if token else {}
        page = _ask(client, "/registered-models/search", max_results=_PAGE, **more)
        yield from page.get("registered_models") or ()
        token = page.get("next_page_token") or ""
        if not token:
            return


def _metrics(client: httpx.Client, run_id: str | None) -> dict[str, float]:
    """Of the run that made it; none where the run was deleted."""
    if not run_id:
        return {}
    answer = client.get("/runs/get", params={"run_id": run_id})
    if answer.status_code == httpx.codes.NOT_FOUND:
        return {}
    answer.raise_for_status()
    found = answer.json()["run"].get("data", {}).get("metrics") or ()
    return {one["key"]: float(one["value"]) for one in found}


def _ask(client: httpx.Client, path: str, **params: Any) -> dict[str, Any]:
    answer = client.get(path, params=params)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
