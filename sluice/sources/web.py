"""One address after the other over HTTP: politely, patiently and within bounds."""

import hashlib
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from sluice.errors import SourceInvalidError, SourceUnavailableError
from sluice.sources.address import origin, shown
from sluice.sources.answer import NOTHING_KNOWN, Answer, Validators

_REDIRECTS = 5
_IN_MEMORY = 8 << 20
# A server that sends a byte now and then never runs into a timeout of a single read.
_SLOWEST = 20
_RETRIED = {408, 425, 429}


@dataclass(frozen=True)
class Bounds:
    """What a server may cost.

    Attributes:
        timeout: seconds without a byte; the whole of an answer may take twenty times that.
        attempts: how often one address is tried.
        longest_wait: seconds that a Retry-After may ask for.
        interval: seconds between the starts of two requests.
        max_bytes: of one answer, decompressed.
    """

    timeout: float = 30
    attempts: int = 5
    longest_wait: float = 120
    interval: float = 0
    max_bytes: int = 64 << 20


class _PassingError(Exception):
    """Another try may help."""

    def __init__(self, problem: str, wait: float | None = None) -> None:
        super().__init__(problem)
        self.wait = wait


class Web:
    """Requests below one origin (scheme, host and port). Use as a context manager.

    Args:
        url: the first address; credentials go to its origin and nowhere else.
        headers: for every request.
        credentials: headers for the origin only.
        hosts: other hosts that a redirect may lead to, without credentials.
        check: called with each address before it is asked for; may raise.
    """

    def __init__(
        self,
        url: str,
        bounds: Bounds,
        *,
        headers: Mapping[str, str],
        credentials: Mapping[str, str] | None = None,
        hosts: tuple[str, ...] = (),
        check: Callable[[str], None] = lambda url: None,
    ) -> None:
        self._origin = origin(url)
        self._bounds = bounds
        self._headers = dict(headers)
        self._credentials = dict(credentials or {})
        self._hosts = hosts
        self.check = check
        self.interval = bounds.interval
        self._last = float("-inf")
        self._client: httpx.Client | None = None

    def __enter__(self) -> "Web":
        # A redirect is followed here, where it is looked at first. zstd and brotli would need more packages.
        self._client = httpx.Client(
            timeout=self._bounds.timeout, headers={"accept-encoding": "gzip, deflate"}, verify=_certificates()
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._client is not None
        self._client.close()

    def get(self, url: str, known: Validators = NOTHING_KNOWN, *, missing: bool = False) -> Answer:
        """One answer, tried again while that may help.

        Args:
            known: of an earlier answer; when that is still the current one, ``body`` is None.
            missing: an answer 4xx is an empty body instead of an error.

        Raises:
            SourceUnavailableError: it did not answer, was overloaded or failed, every time.
            SourceInvalidError: it refuses the request, answers too much, or redirects to another host or in a loop.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop_after_attempt(self._bounds.attempts),
            wait=_wait,
            sleep=time.sleep,
            reraise=True,
        )
        try:
            return retrying(self._follow, url, known, missing)
        except _PassingError as error:
            problem = f"{error} ({self._bounds.attempts} tries)"
            hint = "It may be down or overloaded: the next run tries again, and nothing was written."
            raise SourceUnavailableError(source=shown(url), problem=problem, hint=hint) from None

    def _follow(self, url: str, known: Validators, missing: bool) -> Answer:
        first = url
        for _ in range(_REDIRECTS + 1):
            answer = self._once(url, known, missing)
            if isinstance(answer, Answer):
                return answer
            self._check_redirect(url, answer)
            url = answer
        hint = "Look at the address in a browser; maybe it wants a sign-in."
        problem = f"it redirects more than {_REDIRECTS} times"
        raise SourceInvalidError(source=shown(first), problem=problem, hint=hint)

    def _check_redirect(self, url: str, target: str) -> None:
        here, there = httpx.URL(url), httpx.URL(target)
        upgraded = there.host == here.host and (here.scheme, there.scheme) == ("http", "https")
        if origin(target) != origin(url) and not upgraded and there.host not in self._hosts:
            hint = f"If that host is meant, set source.url to it or add it: source.hosts: [{there.host}]."
            problem = f"it redirects to another host, {there.host}"
            raise SourceInvalidError(source=shown(url), problem=problem, hint=hint)

    def _once(self, url: str, known: Validators, missing: bool) -> Answer | str:
        """An answer, or the address that it redirects to."""
        assert self._client is not None
        self.check(url)
        headers = dict(self._headers)
        if origin(url) == self._origin:
            headers |= self._credentials
        if known.etag:
            headers["if-none-match"] = known.etag
        if known.modified:
            headers["if-modified-since"] = known.modified
        self._pause()
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                return self._received(url, response, missing)
        except (httpx.TransportError, httpx.DecodingError) as error:
            # Their texts may quote what was sent, so only the known harmless ones are passed on.
            harmless = isinstance(error, httpx.ReadError | httpx.ConnectError | httpx.RemoteProtocolError)
            said = f": {error}" if harmless and str(error) else ""
            raise _PassingError(f"{type(error).__name__}{said}") from None
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            hint = "Correct source.url, or the site's link."
            raise SourceInvalidError(source=shown(url), problem=f"no valid address ({error})", hint=hint) from None

    def _received(self, url: str, response: httpx.Response, missing: bool) -> Answer | str:
        status = response.status_code
        if (
            status == httpx.codes.NOT_MODIFIED
            and {"if-none-match", "if-modified-since"} & response.request.headers.keys()
        ):
            return Answer(url, response.headers, None)
        if response.is_redirect and "location" in response.headers:
            return str(httpx.URL(url).join(response.headers["location"]))
        if status in _RETRIED or status >= 500:
            raise _PassingError(f"it answers {status} {response.reason_phrase}", self._asked_to_wait(url, response))
        if not response.is_success and not missing:
            hint = "Correct source.url or its parameters in use_case.yaml."
            if status in {401, 403}:
                hint = "Does source.auth name the right secret, and is its value still valid?"
            problem = f"it answers {status} {response.reason_phrase}"
            raise SourceInvalidError(source=shown(url), problem=problem, hint=hint)
        if not response.is_success:
            return Answer(url, response.headers, tempfile.SpooledTemporaryFile())
        return self._body(url, response)

    def _body(self, url: str, response: httpx.Response) -> Answer:
        body = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 whoever gets the answer closes it
        digest, size = hashlib.sha256(), 0
        deadline = time.monotonic() + _SLOWEST * self._bounds.timeout
        try:
            for piece in response.iter_bytes():  # as they come: a piece of a size would be waited for
                size += len(piece)
                if size > self._bounds.max_bytes:
                    hint = "If that is right, raise source.max_bytes in use_case.yaml, or ask for smaller pages."
                    problem = f"its answer is larger than {self._bounds.max_bytes:,} bytes"
                    raise SourceInvalidError(source=shown(url), problem=problem, hint=hint)
                if time.monotonic() > deadline:
                    raise _PassingError("it sends too slowly")
                digest.update(piece)
                body.write(piece)
        except BaseException:
            body.close()
            raise
        return Answer(url, response.headers, body, digest.hexdigest()[:16], size)

    def _asked_to_wait(self, url: str, response: httpx.Response) -> float | None:
        """Retry-After in seconds, when it is there and within the bound."""
        asked = _seconds(response.headers.get("retry-after", ""))
        if asked is not None and asked > self._bounds.longest_wait:
            problem = f"it answers {response.status_code} and asks to wait {asked:.0f} s"
            raise SourceUnavailableError(source=shown(url), problem=problem, hint="Run it again after that.")
        return asked

    def _pause(self) -> None:
        wait = self._last + self.interval - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._last = time.monotonic()


@cache
def _certificates() -> ssl.SSLContext:
    """To make one takes longer than a request."""
    return httpx.create_ssl_context()


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, _PassingError) else None
    return asked if asked is not None else wait_random_exponential(multiplier=0.5, max=30)(state)


def _seconds(value: str) -> float | None:
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
