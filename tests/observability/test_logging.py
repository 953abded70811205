"""Log lines: their shape, what is intercepted, and what never appears."""

import io
import json
import logging
import sys
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from loguru import logger
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext
from pydantic import SecretStr

from observability.logging import configure_logging
from observability.redaction import MASK
from sluice.settings import DocumentSettings, LakeSettings, LogSettings, MlflowSettings, PrefectSettings, Settings

KEYS = [
    "ts",
    "level",
    "logger",
    "msg",
    "service",
    "version",
    "env",
    "trace_id",
    "span_id",
    "flow_run_id",
    "deployment",
    "error",
]
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Logging is the process's: put the standard library's back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    logger.remove()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """The JSON lines written since the last call."""

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    return read


def configure(**settings: Any) -> None:
    configure_logging(Settings(**{"env": "test", "log_format": "json", **settings}), service="serving")


def test_line_has_the_agreed_keys(lines: Lines) -> None:
    """Every line has the same keys in the same order, null where there is nothing to say."""
    configure()
    logger.info("Serving {} {}.", "movies", 3)
    (line,) = lines()
    assert list(line) == KEYS
    assert (line["level"], line["msg"], line["service"], line["env"]) == (
        "INFO",
        "Serving movies 3.",
        "serving",
        "test",
    )
    assert line["ts"].endswith("Z")
    assert line["logger"].endswith("test_logging")
    assert line["error"] is line["flow_run_id"] is line["trace_id"] is None


def test_bound_values_stand_beside_the_keys(lines: Lines) -> None:
    """What is bound to a record can be searched for, and cannot displace the line's own keys."""
    configure()
    with logger.contextualize(flow_run_id="f1", deployment="train/movies"):
        logger.bind(model="movies", level="hack", nested={"a": [1]}).info("trained")
    (line,) = lines()
    assert (line["flow_run_id"], line["deployment"]) == ("f1", "train/movies")
    assert (line["model"], line["nested"], line["level"]) == ("movies", {"a": [1]}, "INFO")


def test_exception_becomes_type_message_and_stack(lines: Lines) -> None:
    """A traceback is one field of one line, without values of variables."""
    configure()
    hidden = "value-of-a-variable"
    try:
        int("x" + hidden[:0])
    except ValueError:
        logger.exception("It broke.")
    (line,) = lines()
    assert line["error"]["type"] == "ValueError"
    assert "invalid literal" in line["error"]["message"]
    assert "test_logging.py" in line["error"]["stack"]
    assert hidden not in line["error"]["stack"].replace('hidden = "value-of-a-variable"', "")


def test_line_carries_the_span_it_was_logged_in(lines: Lines) -> None:
    """Logs and traces find each other by id."""
    configure()
    context = SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False)
    with trace.use_span(NonRecordingSpan(context)):
        logger.info("inside")
    (line,) = lines()
    assert (line["trace_id"], line["span_id"]) == (f"{0xABC:032x}", f"{0xDEF:016x}")


def test_hostile_message_stays_one_line(lines: Lines) -> None:
    """Line breaks, braces, markup and lone surrogates neither forge lines nor break them."""
    configure()
    logging.getLogger("client").warning('{"level": "x"}\n{0} <red> \ud800 %s', "{evil}")
    (line,) = lines()
    assert line["msg"] == '{"level": "x"}\n{0} <red> \ud800 {evil}'


def test_standard_loggers_pass_through_the_same_sink(lines: Lines) -> None:
    """uvicorn, MLflow and friends lose their own console and keep their names."""
    uvicorn = logging.getLogger("uvicorn.test")
    uvicorn.addHandler(logging.StreamHandler())
    uvicorn.propagate = False
    configure()
    uvicorn.error("port %d taken", 8000)
    try:
        raise OSError("no space")
    except OSError:
        uvicorn.exception("disk")
    first, second = lines()
    assert (first["logger"], first["level"], first["msg"]) == ("uvicorn.test", "ERROR", "port 8000 taken")
    assert second["error"]["type"] == "OSError"


def test_handlers_that_write_elsewhere_stay(lines: Lines) -> None:
    """Prefect's API handler goes on getting the logs of a run, and the run's id is on our line."""

    class ApiHandler(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.records: list[logging.LogRecord] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.records.append(record)

    runs = logging.getLogger("prefect.flow_runs.test")
    api = ApiHandler()
    runs.addHandler(api)
    configure()
    runs.warning("step %s", 1, extra={"flow_run_id": "f1"})
    assert [record.getMessage() for record in api.records] == ["step 1"]
    (line,) = lines()
    assert (line["logger"], line["flow_run_id"]) == ("prefect.flow_runs.test", "f1")


def test_configuring_again_does_not_double_lines(lines: Lines) -> None:
    """A second call replaces the first, for both kinds of logger."""
    configure()
    configure()
    logger.info("once")
    logging.getLogger("lib").info("once too")
    assert [line["msg"] for line in lines()] == ["once", "once too"]


def test_chatty_libraries_are_quiet_at_info(lines: Lines) -> None:
    """A line for each request that we make would bury the rest."""
    configure()
    logging.getLogger("httpx").info("HTTP Request: GET …")
    logging.getLogger("httpx").warning("slow")
    assert [line["msg"] for line in lines()] == ["slow"]


def test_level_of_the_settings_holds_for_both(lines: Lines) -> None:
    """Below the level nothing is written, whoever logs."""
    configure(log_level="WARNING")
    logger.info("no")
    logging.getLogger("lib").info("no")
    logger.warning("yes")
    assert [line["msg"] for line in lines()] == ["yes"]


def test_python_warnings_become_lines(lines: Lines) -> None:
    """A deprecation on standard error would not be JSON."""
    configure()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old way", UserWarning, stacklevel=1)
    (line,) = lines()
    assert (line["logger"], line["level"]) == ("py.warnings", "WARNING")
    assert "old way" in line["msg"]


def test_text_is_for_terminals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the automatic format is text, elsewhere JSON."""
    configure(log_format="auto")
    logger.info("for a machine")
    assert json.loads(capsys.readouterr().err)["msg"] == "for a machine"

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    configure(log_format="auto")
    logger.bind(model="movies").info("for a {}", "person")
    assert "for a person" in terminal.getvalue()
    assert "model=movies" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_secrets_never_appear(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """Whatever setting holds a secret, and however it is logged, its value is in no line."""
    secrets = [
        "mongo-p4ss%21word",
        "mongo-p4ss!word",
        's3-s3cret"key\\',
        "mlflow-t0ken",
        "geheim-schlüssel",
        "mlflow-passw0rd",
        "loki-t0ken",
    ]
    pair = "sluice:prefect-passw0rd"
    settings = {
        "documents": DocumentSettings(uri=f"mongodb://sluice:{secrets[0]}@db:27017/sluice"),  # type: ignore[arg-type]
        "lake": LakeSettings(storage_options={"secret_access_key": secrets[2], "token": secrets[4]}),  # type: ignore[dict-item]
        "mlflow": MlflowSettings(
            uri=f"http://user:{secrets[3]}@mlflow:5000", username="keeper", password=SecretStr(secrets[5])
        ),
        "prefect": PrefectSettings(auth=SecretStr(pair)),
        "logs": LogSettings(loki_auth=SecretStr(secrets[6])),
    }
    # The pair's password alone too, and the pair as a header has it.
    secrets += [pair, pair.partition(":")[2], b64encode(pair.encode()).decode()]
    configure(log_format=log_format, **settings)
    logger.info("settings: {}", Settings(**settings))
    for secret in secrets:
        logger.info("a driver says {}", secret)
        logger.bind(uri=f"x://{secret}@y", nested={"deep": [secret]}).info("bound")
        logging.getLogger("pymongo").error("failed: %s", secret)
        try:
            raise ConnectionError(f"cannot reach {secret}")
        except ConnectionError:
            logger.exception("it broke at {}", secret)
    written = capsys.readouterr().err
    assert "a driver says **********" in written
    for secret in secrets:
        assert secret not in written
        assert json.dumps(secret)[1:-1] not in written


def test_values_of_variables_are_shown_in_development_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Local variables may be personal data; loguru's diagnosis prints them."""

    def broken(value: str) -> None:
        raise ValueError("broken" if value else "whole")

    for env, shown in (("production", False), ("local", False), ("development", True)):
        configure(log_format="text", env=env)
        try:
            broken("patient-" + "7")
        except ValueError:
            logger.exception("it broke")
        assert ("patient-7" in capsys.readouterr().err) is shown


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_api_keys_never_appear(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """Whoever logs a request's headers logs no key: its form tells, for no setting knows it. The id stays."""
    configure(log_format=log_format)
    secret = "0123456789abcdef" * 4
    for identity, text in (("9de3447cf297", secret), ("bootstrapkey", secret), ("9de3447cf298", secret[:30].upper())):
        key = f"sluice_{identity}_{text}"
        logger.info("headers: {}", {"authorization": f"Bearer {key}"})
        logger.bind(header=f"Bearer {key}", nested=[key]).info("bound")
        logging.getLogger("uvicorn").error("bad header %r", key.encode())
        try:
            raise ValueError(key)
        except ValueError:
            logger.exception("failed")
        shown = capsys.readouterr().err
        assert text not in shown
        assert f"sluice_{identity}_{MASK}" in shown
    logger.info("sluice_distribution_seconds is a metric, sluice_models_x a name")
    assert "sluice_distribution_seconds is a metric, sluice_models_x a name" in capsys.readouterr().err
