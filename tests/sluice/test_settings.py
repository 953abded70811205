"""Settings come from the environment, once, typed and frozen; what is wrong names itself."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from sluice.documents import open_documents
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import SettingsInvalidError
from sluice.mongo_documents import MongoDocuments
from sluice.settings import PREFIX, MlflowSettings, Settings, without_credentials


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Nobody's variables, and an empty working directory."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_without_any_variable_there_are_defaults(tmp_path: Path) -> None:
    """All state in one folder below the working directory; that path is absolute, as children run elsewhere."""
    settings = Settings.load()
    assert settings.home == tmp_path / ".sluice"
    assert settings.lake_uri == str(tmp_path / ".sluice" / "lake")
    assert settings.documents_uri == str(tmp_path / ".sluice" / "documents.db")


def test_variables_nest_with_two_underscores(environment: pytest.MonkeyPatch) -> None:
    """Also single entries of a mapping, lists as JSON, and an empty variable is none."""
    environment.setenv("SLUICE_DASK__WORKERS", "7")
    environment.setenv("SLUICE_SERVING__MODELS", '["movies", "diabetes"]')
    environment.setenv("SLUICE_LAKE__STORAGE_OPTIONS__aws_region", "eu")
    environment.setenv("SLUICE_MLFLOW__URI", "")
    settings = Settings.load()
    assert settings.dask.workers == 7
    assert settings.serving.models == ("movies", "diabetes")
    assert settings.lake_storage_options == {"aws_region": "eu"}
    assert settings.mlflow.uri == "http://127.0.0.1:5000"


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("SLUICE_DASK__WORKERS", "many", "integer"),
        ("SLUICE_DASK__WORKERS", "0", "greater than or equal to 1"),
        ("SLUICE_LOG_LEVEL", "LOUD", "'DEBUG'"),
        ("SLUICE_SERVING__MODELS", "movies", 'as ["a", "b"]'),
        ("SLUICE_LAKE__STORAGE_OPTIONS", "eu", "not JSON"),
        ("SLUICE_DASK__WROKERS", "2", "not permitted"),
        ("SLUICE_DASK", "2", "DaskSettings"),
    ],
)
def test_a_wrong_variable_names_itself_and_how_to_set_it(
    variable: str, value: str, problem: str, environment: pytest.MonkeyPatch
) -> None:
    """One line: which variable, what is wrong with it, and a command."""
    environment.setenv(variable, value)
    with pytest.raises(SettingsInvalidError) as raised:
        Settings.load()
    text = str(raised.value)
    assert text.startswith(f"{variable}: ")
    assert problem in text
    assert f"export {variable}=" in text
    assert "\n" not in text


def test_settings_are_frozen() -> None:
    """Nobody changes them after the start, at any depth."""
    settings = Settings.load()
    for thing, name in ((settings, "env"), (settings.dask, "workers")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(thing, name, "other")


def test_secrets_do_not_show(environment: pytest.MonkeyPatch) -> None:
    """Not in what a settings object prints, and not in the error of a variable beside them."""
    environment.setenv("SLUICE_DOCUMENTS__URI", "mongodb://user:hunter2secret@host/")
    environment.setenv("SLUICE_LAKE__STORAGE_OPTIONS__secret", "hunter2secret")
    environment.setenv("SLUICE_MLFLOW__URI", "http://user:hunter2secret@host")
    settings = Settings.load()
    assert "hunter2secret" not in f"{settings} {settings!r}"
    assert settings.documents_uri == "mongodb://user:hunter2secret@host/"
    environment.setenv("SLUICE_DOCUMENTS__URL", "mongodb://user:hunter2secret@host/")
    with pytest.raises(SettingsInvalidError) as raised:
        Settings.load()
    assert "hunter2secret" not in str(raised.value) + repr(raised.value)


@pytest.mark.parametrize(
    ("host", "required"),
    [
        ("127.0.0.1", False),
        ("127.0.0.2", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("10.1.2.3", True),
        ("127.0.0.1.example", True),
        ("models.internal", True),
    ],
)
def test_callers_need_keys_unless_only_this_machine_is_served(
    host: str, required: bool, environment: pytest.MonkeyPatch
) -> None:
    """By default; off is refused where others reach the service, and keys can be required everywhere."""
    environment.setenv("SLUICE_SERVING__HOST", host)
    assert Settings.load().serving.auth_required is required
    environment.setenv("SLUICE_SERVING__AUTH", "required")
    assert Settings.load().serving.auth_required
    environment.setenv("SLUICE_SERVING__AUTH", "off")
    if not required:
        assert not Settings.load().serving.auth_required
        return
    with pytest.raises(SettingsInvalidError, match=rf"^SLUICE_SERVING__AUTH: cannot be off .* {host},"):
        Settings.load()


@pytest.mark.parametrize(
    "key", ["hunter2secret", "sluice_bootstrapkey_hunter2secret", "sluice_0123456789ab_" + "0" * 64]
)
def test_a_weak_bootstrap_key_is_refused(key: str, environment: pytest.MonkeyPatch) -> None:
    """Somebody's password would be an administrator's key; the error says how to make one, and does not show it."""
    environment.setenv("SLUICE_SERVING__BOOTSTRAP_KEY", key)
    with pytest.raises(SettingsInvalidError, match=r"^SLUICE_SERVING__BOOTSTRAP_KEY: .*openssl rand -hex 32") as raised:
        Settings.load()
    assert key not in str(raised.value) + repr(raised.value)
    environment.setenv("SLUICE_SERVING__BOOTSTRAP_KEY", "sluice_bootstrapkey_" + "01" * 32)
    assert "0101" not in repr(Settings.load())


@pytest.mark.parametrize(
    "auth", ["hunter2secret", ":a long password", "user:short", "user:a long pässword", "user:a\nlong password"]
)
def test_what_prefect_cannot_compare_is_refused(auth: str, environment: pytest.MonkeyPatch) -> None:
    """A pair in ASCII with a password that nobody guesses; the error does not show it."""
    environment.setenv("SLUICE_PREFECT__AUTH", auth)
    with pytest.raises(SettingsInvalidError, match=r"^SLUICE_PREFECT__AUTH: .*user:password") as raised:
        Settings.load()
    assert auth not in str(raised.value) + repr(raised.value)
    environment.setenv("SLUICE_PREFECT__AUTH", "user:a long:password")
    assert Settings.load().prefect.account == ("user", "a long:password")
    assert "a long" not in repr(Settings.load())


@pytest.mark.parametrize(
    ("username", "password"), [("keeper", ""), ("", "a long password"), ("keeper", "short"), ("a:b", "a long password")]
)
def test_an_account_of_mlflow_is_whole(username: str, password: str, environment: pytest.MonkeyPatch) -> None:
    """A name and a password that MLflow accepts, or neither."""
    environment.setenv("SLUICE_MLFLOW__USERNAME", username)
    environment.setenv("SLUICE_MLFLOW__PASSWORD", password)
    with pytest.raises(SettingsInvalidError, match=r"^SLUICE_MLFLOW__PASSWORD: ") as raised:
        Settings.load()
    assert "a long password" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "account"),
    [
        ({}, None),
        ({"uri": "http://user:p%2Fw@host"}, ("user", "p/w")),
        (
            {"uri": "http://user@host", "username": "keeper", "password": "a long password"},
            ("keeper", "a long password"),
        ),
        ({"uri": "sqlite:///a@b"}, None),
        ({"uri": "http://["}, None),
    ],
)
def test_mlflow_s_account_is_the_settings_or_the_address_s(
    settings: dict[str, Any], account: tuple[str, str] | None
) -> None:
    """The address may have it in it, as before there were settings for it."""
    assert MlflowSettings(**settings).account == account


def test_the_dask_scheduler_is_not_opened_by_accident(environment: pytest.MonkeyPatch) -> None:
    """It runs whatever it is sent and asks nobody who they are: another address than loopback must be meant."""
    environment.setenv("SLUICE_HOST", "0.0.0.0")
    with pytest.raises(SettingsInvalidError, match=r"^SLUICE_HOST: is 0.0.0.0.*SLUICE_DASK__EXPOSED=true"):
        Settings.load()
    environment.setenv("SLUICE_DASK__EXPOSED", "true")
    assert Settings.load().host == "0.0.0.0"


def test_a_run_has_one_cluster(environment: pytest.MonkeyPatch) -> None:
    """Its own, or the one that all share: who sets both has to say which."""
    environment.setenv("SLUICE_DASK__PER_RUN__SPEC", "/etc/cluster.yaml")
    assert Settings.load().dask_dashboard == ""
    environment.setenv("SLUICE_DASK__ADDRESS", "tcp://scheduler:8786")
    with pytest.raises(SettingsInvalidError, match=r"^SLUICE_DASK__PER_RUN: .*SLUICE_DASK__ADDRESS names one that all"):
        Settings.load()


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://host:5000/path", "http://host:5000/path"),
        ("http://user:pa@host:5000/path", "http://host:5000/path"),
        ("mongodb://user:pa%40ss@a:1,b:2/db?authSource=admin", "mongodb://a:1,b:2/db"),
        ("mongodb://user:p@ss/w@host/db", "mongodb://host/db"),
        ("mongodb://host/?tlsCertificateKeyFilePassword=secret", "mongodb://host/"),
        ("/folder/documents.db", "/folder/documents.db"),
    ],
)
def test_an_address_is_shown_without_credentials(uri: str, shown: str) -> None:
    """Whatever stands before the host goes, also where nobody encoded it, and options go too."""
    assert without_credentials(uri) == shown


@pytest.mark.parametrize(
    ("uri", "kind"), [("", EmbeddedDocuments), ("mongodb://h/", MongoDocuments), ("mongodb://host:port/", None)]
)
def test_the_document_store_is_the_one_that_is_named(uri: str, kind: Any, tmp_path: Path) -> None:
    """MongoDB by its address; the embedded one without any; an address that is none names its variable."""
    settings = Settings(home=tmp_path, documents={"uri": SecretStr(uri)})
    if kind is None:
        with pytest.raises(SettingsInvalidError, match="SLUICE_DOCUMENTS__URI"):
            open_documents(settings)
        return
    opened = open_documents(settings)
    assert isinstance(opened, kind)
    opened.close()
