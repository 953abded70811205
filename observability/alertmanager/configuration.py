"""Alertmanager's configuration from the settings: who is told of what, how often, and what keeps quiet meanwhile."""

from pathlib import Path
from typing import Any

from observability.alertmanager.inhibition import inhibit_rules
from observability.prometheus.duration import duration
from sluice.errors import SettingsInvalidError
from sluice.observe_settings import ObserveSettings

TEMPLATES = Path(__file__).parent / "templates"
GROUP_BY = ("alertname", "deployment", "model")
# Seconds: before the first notification of a group, between two of one that changes, and until one that does not
# change is said again, by severity.
GROUP_WAIT, GROUP_INTERVAL = 30.0, 300.0
REPEAT = {"critical": 4 * 3600.0, "warning": 12 * 3600.0}


def alertmanager_configuration(settings: ObserveSettings, *, url_files: bool = False) -> dict[str, Any]:
    """The content of ``alertmanager.yml``.

    Without ``url_files`` it holds addresses of webhooks, which are secret, so keep it from others: Alertmanager shows
    them on its page then, too.

    Args:
        url_files: Alertmanager reads such an address from a file, as it does since 0.26; Debian's is 0.25.

    Raises:
        SettingsInvalidError: a file that a setting names cannot be read.
    """
    hurry = settings.hurry
    on_call = _receiver("on-call", settings, url_files)
    heartbeat = _heartbeat(settings, url_files)
    beat = settings.heartbeat_seconds / hurry
    return {
        "templates": [f"{TEMPLATES}/*.tmpl"],
        "route": {
            "receiver": on_call["name"],
            "group_by": list(GROUP_BY),
            "group_wait": duration(GROUP_WAIT / hurry),
            "group_interval": duration(GROUP_INTERVAL / hurry),
            "repeat_interval": duration(REPEAT["warning"] / hurry),
            "routes": [
                {
                    # A sign of life, not an alert: whoever hears it elsewhere misses it.
                    "matchers": ['alertname="SluiceWatchdog"'],
                    "receiver": heartbeat["name"],
                    "group_wait": "0s",
                    "group_interval": duration(beat),
                    # Compared at each of them with the time after the last delivery: as long, every second is left out.
                    "repeat_interval": duration(0.8 * beat),
                },
                {"matchers": ['severity="critical"'], "repeat_interval": duration(REPEAT["critical"] / hurry)},
            ],
        },
        "inhibit_rules": inhibit_rules(),
        "receivers": list({receiver["name"]: receiver for receiver in (on_call, heartbeat)}.values()),
    }


def addresses(settings: ObserveSettings) -> list[Path]:
    """The files with addresses that nobody is to see."""
    files = (settings.webhook_url_file, settings.slack_url_file, settings.heartbeat_url_file)
    return [file for file in files if file is not None]


def _receiver(name: str, settings: ObserveSettings, url_files: bool) -> dict[str, Any]:
    receiver: dict[str, Any] = {}
    if settings.webhook_url_file:
        webhook = _url("WEBHOOK_URL_FILE", settings.webhook_url_file, url_files)
        if settings.webhook_token_file:
            _address("WEBHOOK_TOKEN_FILE", settings.webhook_token_file)
            webhook["http_config"] = {"authorization": {"credentials_file": str(settings.webhook_token_file)}}
        receiver["webhook_configs"] = [{**webhook, "send_resolved": True}]
    if settings.slack_url_file:
        _address("SLACK_URL_FILE", settings.slack_url_file)
        receiver["slack_configs"] = [_slack(settings)]
    if settings.email_to and settings.smtp_server:
        receiver["email_configs"] = [_email(settings, to) for to in settings.email_to]
    # Alertmanager starts with a receiver that tells nobody, and its page shows what fires.
    return {"name": name if receiver else "nobody", **receiver}


def _heartbeat(settings: ObserveSettings, url_files: bool) -> dict[str, Any]:
    if settings.heartbeat_url_file is None:
        return {"name": "nobody"}
    url = _url("HEARTBEAT_URL_FILE", settings.heartbeat_url_file, url_files)
    return {"name": "heartbeat", "webhook_configs": [{**url, "send_resolved": False}]}


def _url(setting: str, path: Path, url_files: bool) -> dict[str, Any]:
    address = _address(setting, path)
    return {"url_file": str(path)} if url_files else {"url": address}


def _slack(settings: ObserveSettings) -> dict[str, Any]:
    slack: dict[str, Any] = {
        "api_url_file": str(settings.slack_url_file),
        "send_resolved": True,
        "color": '{{ template "sluice.color" . }}',
        "title": '{{ template "sluice.title" . }}',
        "title_link": '{{ template "sluice.link" . }}',
        "text": '{{ template "sluice.slack" . }}',
        "fallback": '{{ template "sluice.title" . }}',
    }
    return slack | ({"channel": settings.slack_channel} if settings.slack_channel else {})


def _email(settings: ObserveSettings, to: str) -> dict[str, Any]:
    email: dict[str, Any] = {
        "to": to,
        "from": settings.email_from,
        "smarthost": settings.smtp_server,
        "require_tls": settings.smtp_tls,
        "send_resolved": True,
        "headers": {"Subject": '{{ template "sluice.title" . }}'},
        "text": '{{ template "sluice.text" . }}',
        "html": '{{ template "sluice.html" . }}',
    }
    if settings.smtp_username:
        email["auth_username"] = settings.smtp_username
    if settings.smtp_password_file:
        _address("SMTP_PASSWORD_FILE", settings.smtp_password_file)
        email["auth_password_file"] = str(settings.smtp_password_file)
    return email


def _address(setting: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        text, problem = "", f"names {path}, which cannot be read: {error.strerror}"
    else:
        problem = f"names {path}, which is empty"
    if not text:
        raise SettingsInvalidError(variable=f"SLUICE_OBSERVE__{setting}", problem=problem)
    return text
