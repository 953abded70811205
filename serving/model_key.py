"""Which model a request means: a name, and an alias or a version of it."""

from typing import NamedTuple

from sluice.errors import InputInvalidError, ModelNotFoundError

CHAMPION = "champion"
LONGEST_NAME = 256


class ModelKey(NamedTuple):
    """``version`` goes before ``alias``."""

    name: str
    alias: str = CHAMPION
    version: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name} version {self.version}"
        return self.name if self.alias == CHAMPION else f"{self.name}@{self.alias}"

    @property
    def is_champion(self) -> bool:
        return self.version is None and self.alias == CHAMPION

    @property
    def wanted(self) -> str:
        return f"version {self.version}" if self.version is not None else f"with the alias {self.alias!r}"

    @classmethod
    def of(cls, name: str, version: str | None = None, alias: str | None = None) -> "ModelKey":
        """Of what a client typed.

        Raises:
            ModelNotFoundError: no model can have that name.
            InputInvalidError: ``version`` is no whole number, ``alias`` no possible alias, or both are given.
        """
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or {"/", ":"} & set(name):
            raise ModelNotFoundError(name=name[:LONGEST_NAME], wanted="", hint="No model can have that name.")
        if version is not None:
            if alias is not None:
                raise InputInvalidError(field="alias", problem="give a version or an alias, not both.")
            if not (version.isascii() and version.isdecimal() and len(version) <= 18):
                raise InputInvalidError(field="version", problem="must be a whole number.")
            return cls(name, CHAMPION, str(int(version)))
        if alias is not None and not (0 < len(alias) <= LONGEST_NAME and alias.isprintable() and "/" not in alias):
            raise InputInvalidError(field="alias", problem="is no name that an alias can have.")
        return cls(name, alias or CHAMPION)
