"""Who is told: a web server for webhooks, Slack's and the heartbeat's, and a mail server. Real ones, on free ports."""

import email
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from aiosmtpd.controller import Controller

from deployments.local.ports import free_ports

WAY = ("webhook", "slack", "mail")


@dataclass
class Heard:
    """What has arrived, each with its time in seconds of the epoch.

    Attributes:
        token: that the webhook's last request carried.
    """

    webhook: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    slack: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    beats: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    mail: list[tuple[float, Message]] = field(default_factory=list)
    token: str = ""
    web_port: int = 0
    mail_port: int = 0

    def arrived(self, alert: str, since: float, about: str = "") -> dict[str, float]:
        """By each way, when the alert first arrived as firing and with this in its text."""
        found: dict[str, float] = {}
        for at, body in self.webhook:
            firing = body["status"] == "firing" and body["commonLabels"]["alertname"] == alert
            if at >= since and firing and about in json.dumps(body):
                found.setdefault("webhook", at)
        for at, body in self.slack:
            (attachment,) = body["attachments"]
            title, text = attachment["title"], attachment["text"]
            if at >= since and alert in title and "RESOLVED" not in title and about in title + text:
                found.setdefault("slack", at)
        for at, message in self.mail:
            subject, text = str(message["Subject"]), plain(message)
            if at >= since and alert in subject and "RESOLVED" not in subject and about in subject + text:
                found.setdefault("mail", at)
        return found

    def wait(self, alert: str, since: float, about: str = "", seconds: float = 120) -> dict[str, float]:
        """Seconds from ``since`` until it has arrived by every way."""
        assert eventually(lambda: len(self.arrived(alert, since, about)) == len(WAY), seconds), (
            f"{alert} arrived by {self.arrived(alert, since, about)} only; heard: "
            f"{sorted({body['commonLabels']['alertname'] for _, body in self.webhook})}"
        )
        return {way: at - since for way, at in self.arrived(alert, since, about).items()}


def eventually(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def plain(message: Message) -> str:
    """The text of a mail for those who read no HTML."""
    for part in message.walk():
        if part.get_content_type() == "text/plain":
            payload = part.get_payload(decode=True)
            return payload.decode() if isinstance(payload, bytes) else ""
    return ""


@contextmanager
def listeners() -> Iterator[Heard]:
    """All of them, during the block."""
    heard = Heard()

    class Web(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told = {"/hook": heard.webhook, "/services/T0/B0/x": heard.slack, "/beat": heard.beats}.get(self.path)
            if self.path == "/hook":
                heard.token = self.headers.get("Authorization", "")
            if told is not None:
                told.append((time.time(), body))
            answer = b"ok"
            self.send_response(200 if told is not None else 404)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Mail:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 aiosmtpd's name
            heard.mail.append((time.time(), email.message_from_bytes(envelope.content, policy=default)))
            return "250 taken"

    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as web:
        web.daemon_threads = True
        Thread(target=web.serve_forever, daemon=True).start()
        (port,) = free_ports("127.0.0.1", 1)
        mail = Controller(Mail(), hostname="127.0.0.1", port=port)
        mail.start()
        heard.web_port, heard.mail_port = web.server_address[1], port
        try:
            yield heard
        finally:
            mail.stop()
            web.shutdown()
