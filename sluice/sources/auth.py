"""How a source signs in: with a secret that use_case.yaml names and the settings hold."""

import base64
from typing import Literal, Self

from pydantic import Field, model_validator

from sluice.sources.access import Access
from sluice.sources.options import Options


class AuthOptions(Options):
    scheme: Literal["bearer", "basic", "header"] = "bearer"
    secret: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="its name; SLUICE_SOURCES__SECRETS__<NAME> is its value"
    )
    user: str | None = Field(None, description="for basic; the secret is the password")
    header: str | None = Field(None, description="for header, such as X-Api-Key")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for scheme, field, value in (("basic", "user", self.user), ("header", "header", self.header)):
            if (self.scheme == scheme) != (value is not None):
                raise ValueError(f"{field} belongs to scheme: {scheme}, and only there")
        return self

    def headers(self, access: Access) -> dict[str, str]:
        """
        Raises:
            SettingsInvalidError: the secret is not set.
        """
        value = access.secret(self.secret)
        if self.scheme == "basic":
            return {"authorization": "Basic " + base64.b64encode(f"{self.user}:{value}".encode()).decode()}
        if self.scheme == "header":
            return {str(self.header).lower(): value}
        return {"authorization": f"Bearer {value}"}
