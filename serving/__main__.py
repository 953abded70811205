"""``python -m serving``: one process of the service, on the address that the settings give."""

import sys

import uvicorn

from observability.ending import end_on_sigterm
from sluice.errors import SettingsInvalidError
from sluice.settings import Settings

# Requests that were accepted before SIGTERM get this long to finish. Kubernetes' default grace
# period is 30 s, and the process must be gone before it ends.
DRAIN_SECONDS = 25


def main() -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the requests under way."""
    try:
        settings = Settings.load()
    except SettingsInvalidError as error:
        sys.exit(str(error))
    end_on_sigterm()
    uvicorn.run(
        "serving.app:create_app",
        factory=True,
        host=settings.serving.host,
        port=settings.serving.port,
        workers=settings.serving.workers,
        loop="uvloop",
        http="httptools",
        log_config=None,  # ours is in place when the app is made
        access_log=False,  # the metrics count requests; a line each would cost more than the answer
        server_header=False,
        proxy_headers=False,  # who asks is told by a key, not by an address
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


if __name__ == "__main__":
    main()
