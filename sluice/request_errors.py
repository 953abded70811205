"""Why a request is refused before anything is done for it: who sends it, or how much it asks."""

from sluice.errors import SluiceError


class ApiKeyMissingError(SluiceError):
    """Fields: challenge (what WWW-Authenticate says)."""

    status = 401
    template = (
        "This needs an API key. Send it as 'Authorization: Bearer sluice_…' or as 'X-API-Key: sluice_…'. An "
        "administrator makes one: sluice keys create NAME"
    )


class ApiKeyRefusedError(SluiceError):
    """Fields: challenge (what WWW-Authenticate says). Which of the three it is stands in the service's log only."""

    status = 401
    template = (
        "The API key is wrong, has expired or was revoked. Send another one; an administrator sees with sluice keys "
        "list which are valid, and makes one with sluice keys create NAME"
    )


class ScopeMissingError(SluiceError):
    """Fields: caller, scope."""

    status = 403
    template = (
        "The API key of {caller!r} does not have the scope {scope!r}, which this needs. An administrator makes a key "
        "that has it: sluice keys create NAME --scope {scope}"
    )


class RequestForeignError(SluiceError):
    """Fields: header, value."""

    status = 403
    template = (
        "The service is open to this machine only, without keys, and the request's {header} is {value!r}: it came "
        "through a web page or a proxy. Address the service as 127.0.0.1 or localhost, or let it ask for keys: "
        "SLUICE_SERVING__AUTH=required"
    )


class RequestCrossSiteError(SluiceError):
    """Fields: header, value."""

    status = 403
    template = (
        "The request would change something with a browser's sign-in, and its {header} is {value!r}: a page of another "
        "site may have sent it. Use the console's own pages; a program sends 'Authorization: Bearer sluice_…' instead."
    )


class ApiKeysUnknownError(SluiceError):
    """Fields: retry_after (whole seconds)."""

    status = 503
    template = (
        "The API keys could not be read yet, so nobody can be let in. Ask again shortly; if it stays so, look whether "
        "the document store answers."
    )


class ApiKeyNotFoundError(SluiceError):
    """Fields: key."""

    status = 404
    template = "There is no valid API key with the id or name {key!r}. List them: sluice keys list --all"


class ApiKeyNameTakenError(SluiceError):
    """Fields: name."""

    status = 409
    template = (
        "There is an API key called {name!r} already. Give it a new secret (sluice keys rotate {name!r}), end it "
        "(sluice keys revoke {name!r}), or choose another name."
    )


class ApiKeyMovedError(SluiceError):
    """Fields: key."""

    status = 409
    template = (
        "The API key {key!r} was rotated or revoked by somebody else meanwhile. Look at it: sluice keys list --all"
    )


class TooManyRequestsError(SluiceError):
    """Fields: caller, rate (requests a second), retry_after (whole seconds)."""

    status = 429
    template = "{caller!r} sends more than {rate:g} requests a second. Wait {retry_after} s, then send fewer."


class OverloadedError(SluiceError):
    """Fields: limit, retry_after (whole seconds)."""

    status = 503
    template = "{limit} requests are under way here, as many as are allowed. Ask again in {retry_after} s."


class StreamsTakenError(SluiceError):
    """Fields: limit, retry_after (whole seconds)."""

    status = 503
    template = (
        "{limit} logs are followed here, as many as are allowed. Ask again in {retry_after} s, or read the lines page "
        "by page; SLUICE_SERVING__LIMITS__STREAMS is the bound where the service runs."
    )


class BodyTooLargeError(SluiceError):
    """Fields: limit (bytes)."""

    status = 413
    template = (
        "The body, or a line of a stream, is larger than {limit} bytes. Send it in parts; for rows to predict "
        "SLUICE_SERVING__LIMITS__BODY_BYTES is the bound where the service runs."
    )


class TooManyRowsError(SluiceError):
    """Fields: rows, limit."""

    status = 422
    template = (
        "The body has {rows} rows; one request may have {limit}. Send them in parts, or raise "
        "SLUICE_SERVING__LIMITS__ROWS where the service runs."
    )


class DeadlineExceededError(SluiceError):
    """Fields: seconds."""

    status = 504
    template = (
        "The answer took longer than {seconds:g} s and was given up. Send fewer rows, or raise "
        "SLUICE_SERVING__LIMITS__SECONDS where the service runs."
    )
