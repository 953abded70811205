"""Secrets out of what the standard library's handlers send on their own, such as a run's log in Prefect's API."""

import logging

from observability.redaction import Redactor
from sluice.errors import SettingsInvalidError
from sluice.settings import Settings

_FORMATTER = logging.Formatter()


class SecretFilter(logging.Filter):
    """For a handler: a secret in a record's message or traceback is replaced in the record itself."""

    def __init__(self) -> None:
        super().__init__()
        try:
            self._redactor = Redactor(Settings.load())
        except SettingsInvalidError:  # whoever needs them says it
            self._redactor = Redactor(Settings.model_construct())

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception:  # arguments that do not fit: nothing around a filter catches it, and it would fail a run
            message = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
            record.msg, record.args = message, None
        stack = record.exc_text or (_FORMATTER.formatException(record.exc_info) if record.exc_info else "")
        clean, clean_stack = self._redactor.text(message), self._redactor.text(stack)
        if (clean, clean_stack) != (message, stack):
            record.msg, record.args = clean, None
            record.exc_text = clean_stack or None  # which a formatter takes before it looks at the exception
        return True
