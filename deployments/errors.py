"""What can go wrong when the platform is brought up. Each says what to do next."""

from sluice.errors import SluiceError


class PortTakenError(SluiceError):
    """Fields: port, service, holder, setting."""

    template = (
        "Port {port} for the {service} is taken by {holder}. Stop that process, or choose another port with {setting}, "
        "or let Sluice choose free ones: sluice up --free-ports"
    )


class ExtraMissingError(SluiceError):
    """Fields: module, extra."""

    template = "The module {module!r} is not installed. Install the extra it comes with: uv sync --extra {extra}"


class HomeUnwritableError(SluiceError):
    """Fields: path, problem."""

    template = (
        "{path} cannot be written: {problem}. Make it writable, or keep the state elsewhere: export SLUICE_HOME=/path"
    )


class StackBusyError(SluiceError):
    """Fields: home."""

    template = "Another `sluice up` or `sluice down` is at work in {home}. Wait for it to end, then look: sluice status"


class StackDownError(SluiceError):
    """Fields: home."""

    status = 503
    template = "No stack is up in {home}. Start it: sluice up"


class StackIncompleteError(SluiceError):
    """Fields: home."""

    status = 503
    template = (
        "The stack in {home} is only partly up: a `sluice up` or `sluice down` is at work, or was killed at it. Wait "
        "for it to end, or start anew: sluice up"
    )


class ServiceFailedError(SluiceError):
    """Fields: service, problem, log, tail."""

    status = 503
    template = "The {service} {problem}. Its log is {log}; it ends with:\n{tail}"


class RenderedStaleError(SluiceError):
    """Fields: paths, diff."""

    template = "{paths} no longer match the use cases. Write them again: sluice deploy --render\n{diff}"


class JobTemplateInvalidError(SluiceError):
    """Fields: path, problem."""

    template = "The changes to the work pool's job template ({path}) cannot be used: {problem}"
