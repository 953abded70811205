"""The settings of traces: where spans go, and how many requests begin one."""

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError


class TraceSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    # Not shown with the settings: it may have a password in it.
    otlp_url: str = Field(
        "",
        repr=False,
        description="a collector that takes OTLP over HTTP, such as http://tempo:4318; empty: traces are passed on, "
        "and nothing is sent",
    )
    sample: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of the HTTP requests that begin a trace; those that come with one decide for themselves, "
        "and every run is traced",
    )

    @field_validator("otlp_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise PydanticCustomError("otlp_url", "is no http:// or https:// address")
        return url

    @property
    def endpoint(self) -> str:
        """Where spans are posted; empty where they are not."""
        url = self.otlp_url.rstrip("/")
        return url if not url or url.endswith("/v1/traces") else f"{url}/v1/traces"
