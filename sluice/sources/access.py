"""What a source may need besides its options, given by the composition root."""

from dataclasses import dataclass

from sluice.documents import DocumentStore
from sluice.errors import SettingsInvalidError
from sluice.settings import Settings


@dataclass(frozen=True)
class Access:
    """The use case it reads for, and the services and secrets it may use."""

    use_case: str
    settings: Settings
    documents: DocumentStore | None = None

    def secret(self, name: str) -> str:
        """The value of a secret that use_case.yaml names.

        Raises:
            SettingsInvalidError: it is not set, or no header could carry it. The value is never in the message.
        """
        given = self.settings.sources
        if name in given.secrets:
            value = given.secrets[name].get_secret_value()
        elif given.secrets_folder is not None and (given.secrets_folder / name).is_file():
            value = (given.secrets_folder / name).read_text()
        else:
            problem = f"the source of {self.use_case!r} needs the secret {name!r}, which is not set"
            raise SettingsInvalidError(variable=variable(name), problem=problem)
        value = value.strip()  # files end with a newline
        if not value or not value.isascii() or not value.isprintable():
            raise SettingsInvalidError(
                variable=variable(name), problem="it is empty or holds characters no header can carry"
            )
        return value

    @property
    def storage_options(self) -> dict[str, str]:
        """For files in an object store."""
        own = {key: value.get_secret_value() for key, value in self.settings.sources.storage_options.items()}
        return own or self.settings.lake_storage_options


def variable(secret: str) -> str:
    """The one in the environment that holds a secret."""
    return f"SLUICE_SOURCES__SECRETS__{secret.upper()}"
