"""What is sent is what the protocol's own schema reads, whatever a span has in it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from pydantic import BaseModel, SecretStr

from observability.otlp_json import OtlpSender, encoded
from observability.redaction import Redactor
from observability.request_span import RequestSpan
from observability.span_export import RedactingExporter
from tests.receiver import PushedSpan, Receiver, receiver

TRACE, SPAN, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, 0x00F067AA0BA902B7
SAMPLED = TraceFlags(TraceFlags.SAMPLED)
RESOURCE = Resource({"service.name": "tested", "cores": 2})


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiver() as taken:
        yield taken


def sent(collector: Receiver, *spans: ReadableSpan) -> list[PushedSpan]:
    sender = OtlpSender(f"{collector.url}/v1/traces", 5)
    assert sender.send(encoded(spans))
    sender.close()
    return collector.spans


def test_every_part_of_a_span_arrives(collector: Receiver) -> None:
    """Ids, kind, times, attributes of every type, events, links, state: as the schema has them."""
    ids = SpanContext(TRACE, SPAN, False, SAMPLED, TraceState([("vendor", "1")]))
    of = {"text": 'a "b" \\ ü\n', "true": True, "whole": 2**62, "real": 0.5, "list": ("a", "b"), "none": None}
    whole = ReadableSpan(
        name="work",
        context=ids,
        parent=SpanContext(TRACE, PARENT, True),
        resource=RESOURCE,
        attributes=of,  # type: ignore[arg-type]  # what a caller may give all the same
        events=[Event("exception", {"exception.type": "OSError"}, 3)],
        links=[Link(SpanContext(TRACE, PARENT, True), {"why": "caused"})],
        kind=SpanKind.CONSUMER,
        status=Status(StatusCode.ERROR, "it broke"),
        start_time=1_700_000_000_000_000_001,
        end_time=1_700_000_000_000_000_002,
        instrumentation_scope=InstrumentationScope("sluice", "1"),
    )
    (one,) = sent(collector, whole)
    assert (one.service, one.name) == ("tested", "work")
    assert (one.trace_id, one.span_id, one.parent) == (f"{TRACE:032x}", f"{SPAN:016x}", f"{PARENT:016x}")
    assert one.attributes["text"] == of["text"]
    assert (one.attributes["true"], one.attributes["whole"], one.attributes["real"]) == (True, 2**62, 0.5)
    assert [item.string_value for item in one.attributes["list"].values] == ["a", "b"]
    span = one.span
    assert (span.kind, span.trace_state, span.flags & 1) == (span.SPAN_KIND_CONSUMER, "vendor=1", 1)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (whole.start_time, whole.end_time)
    assert (span.events[0].name, span.events[0].time_unix_nano) == ("exception", 3)
    assert (span.links[0].span_id.hex(), span.links[0].attributes[0].value.string_value) == (f"{PARENT:016x}", "caused")
    assert (span.status.code, span.status.message) == (span.status.STATUS_CODE_ERROR, "it broke")


def test_what_a_request_recorded_arrives(collector: Receiver) -> None:
    """Its name and attributes as they were at the end, what it raised, and nothing after the end."""
    kept: list[ReadableSpan] = []
    begun = time.time_ns()
    span = RequestSpan("POST", SpanContext(TRACE, SPAN, False, SAMPLED), None, {"a": 1}, RESOURCE, kept.append)
    assert span.is_recording()
    span.update_name("POST /invocations")
    span.set_attribute("b", "2")
    try:
        raise ValueError("no such model")
    except ValueError as error:
        span.record_exception(error)
    span.set_status(StatusCode.ERROR)
    span.end()
    span.end()
    assert not span.is_recording()
    (one,) = sent(collector, *kept)
    assert (one.name, one.attributes, one.parent) == ("POST /invocations", {"a": 1, "b": "2"}, "")
    assert (one.span.kind, one.span.status.code) == (one.span.SPAN_KIND_SERVER, one.span.status.STATUS_CODE_ERROR)
    assert begun <= one.span.start_time_unix_nano <= one.span.end_time_unix_nano <= time.time_ns()
    said = {each.key: each.value.string_value for each in one.span.events[0].attributes}
    assert (said["exception.type"], said["exception.message"]) == ("ValueError", "no such model")
    assert "test_what_a_request_recorded_arrives" in said["exception.stacktrace"]


def test_a_collector_that_is_busy_is_asked_again(collector: Receiver) -> None:
    """503 is tried again within the time; 400 is not, because it would be the same again."""
    sender = OtlpSender(f"{collector.url}/v1/traces", 5)
    collector.status = [503, 200]
    assert sender.send(b'{"resourceSpans": []}')
    collector.status = [400, 200]
    assert not sender.send(b'{"resourceSpans": []}')
    assert len(collector.bodies) == 3
    sender.close()


def test_headers_come_from_the_standard_variable(collector: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that asks who sends gets what OpenTelemetry's own variables say."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop,authorization=Bearer%20abc")
    sender = OtlpSender(f"{collector.url}/v1/traces", 5)
    assert sender.send(b'{"resourceSpans": []}')
    sender.close()
    (headers,) = collector.headers
    assert (headers["x-tenant"], headers["authorization"]) == ("shop", "Bearer abc")


def test_a_collector_of_a_private_authority_is_believed_where_the_standard_variable_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no other one."""
    certificate = tmp_path / "collector.pem"
    certificate.write_bytes(_certificate())
    with receiver(certificate) as collector:
        for file, arrives in (("", False), (str(certificate), True)):
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", file)
            sender = OtlpSender(f"{collector.url}/v1/traces", 1)
            assert sender.send(b'{"resourceSpans": []}') is arrives
            sender.close()
    assert len(collector.bodies) == 1


def _certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collector")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + made.public_bytes(serialization.Encoding.PEM)


class Secrets(BaseModel):
    quoted: SecretStr = SecretStr('pass"word\\1')
    structural: SecretStr = SecretStr("string")  # part of the format's own names


@pytest.mark.parametrize("secret", ['pass"word\\1', "string", "sluice_0123456789ab_0123456789abcdefXYZ"])
def test_secrets_are_taken_out_whatever_they_are_made_of(secret: str, collector: Receiver) -> None:
    """One that JSON writes in another way, one that is in each document anyhow, and a client's key."""
    sender = OtlpSender(f"{collector.url}/v1/traces", 5)
    exporter = RedactingExporter(sender, Redactor(Secrets()), collector.url)
    kept: list[ReadableSpan] = []
    ids = SpanContext(TRACE, SPAN, False, SAMPLED)
    RequestSpan("POST", ids, None, {"url.path": f"/a/{secret}/b"}, RESOURCE, kept.append).end()
    assert exporter.export(kept) is SpanExportResult.SUCCESS
    exporter.shutdown()
    (one,) = collector.spans
    assert secret not in one.attributes["url.path"]
    assert one.attributes["url.path"].startswith("/a/")
    assert one.attributes["url.path"].endswith("**********/b")
