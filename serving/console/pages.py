"""The console's pages: templates with what every page has, filled in."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import sluice
from serving.console.assets import Assets
from serving.console.links import Links
from serving.console.policy import HOME
from sluice.settings import Settings


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page: the key's name, its scopes, and whether it came by signing in."""

    name: str
    scopes: tuple[str, ...]
    signed_in: bool


class Pages:
    """Renders pages as text. What is in them is the same for everybody but the visitor's name and scopes."""

    def __init__(self, settings: Settings, assets: Assets) -> None:
        self._settings, self._assets = settings, assets

    @cached_property
    def _templates(self) -> Environment:
        made = Environment(
            loader=PackageLoader("serving.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        made.globals.update(
            home=HOME,
            static=f"{HOME}/static/{self._assets.digest}",
            links=Links.of(self._settings),
            environment=self._settings.env,
            version=sluice.__version__,
        )
        return made

    def render(self, template: str, visitor: Visitor, **values: Any) -> str:
        template_ = self._templates.get_template(f"{template}.html")
        return template_.render(visitor=visitor, page=template, **values)
