"""A condition that lasts, told once when it begins and once when it ends."""

from loguru import logger


class Trouble:
    """``what`` goes wrong, and ``meanwhile`` says what that means for whoever reads the log."""

    def __init__(self, what: str, meanwhile: str) -> None:
        self._what, self._meanwhile = what, meanwhile
        self._since: str | None = None

    def goes_on(self, problem: object) -> None:
        if self._since is None:
            self._since = str(problem)
            logger.warning("{}: {} {}", self._what, problem, self._meanwhile)

    def is_over(self) -> None:
        if self._since is not None:
            self._since = None
            logger.info("{}: it works again.", self._what)
