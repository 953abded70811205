"""compose.yaml: closed to others, without a secret in it, and true to the settings and the files that it mounts."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from deployments.compose import passwords, watching
from deployments.local.record import StackRecord
from deployments.local.watching import configure_watching
from sluice.settings import PREFIX, Settings
from tests.deployments.composition import CONTENT, PASSWORDS, PATH, RAW, SERVICES, mounts, ours, variables, writable

ROOT = PATH.parents[1]
ROOM = ROOT / "observability"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
# Who may run as root, and why.
ROOTS = {"alloy": "Docker's log files are root's"}
every = pytest.mark.parametrize("name", list(SERVICES))
our_own = pytest.mark.parametrize("name", list(ours()))


def test_the_whole_platform_is_in_it() -> None:
    wanted = {
        "postgres", "mongodb", "prefect-server", "prefect-worker", "mlflow", "dask-scheduler", "dask-worker", "serving",
        "exporter", "catch-up", "loki", "alloy", "prometheus", "alertmanager", "grafana", "tempo", "node-exporter",
    }  # fmt: skip
    assert wanted <= set(SERVICES)


@every
def test_an_image_is_a_variable_with_a_pinned_tag(name: str) -> None:
    """A release puts a digest in its place; what is ours has the version of this checkout."""
    assert re.fullmatch(r"\$\{\w+_IMAGE:-[^}]+\}", RAW["services"][name]["image"])
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert re.match(r"v?\d+\.\d+", tag), SERVICES[name]["image"]
    if name in set(ours()):
        assert tag == VERSION
    else:
        assert not image.startswith("sluice"), "an image of ours that nothing here builds"


@every
def test_a_container_can_change_nothing_and_gain_nothing(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service.get("cap_add", ())) <= ({"DAC_READ_SEARCH"} if name in ROOTS else set())
    assert not {"privileged", "network_mode", "ipc", "devices"} & set(service)
    assert not any("docker.sock" in source for source, _ in mounts(service).values())


@every
def test_a_container_does_not_run_as_root(name: str) -> None:
    """Ours say so in their image."""
    if name in set(ours()):
        assert "user" not in SERVICES[name]
        return
    user = SERVICES[name]["user"]
    assert re.fullmatch(r"\d+:\d+", user)
    assert user.startswith("0:") is (name in ROOTS)


@every
def test_a_container_is_bounded_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert float(service["cpus"]) > 0
    assert service["pids_limit"] > 0
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert service["restart"] in {"unless-stopped", "on-failure:3"} or "tools" in service["profiles"]


@every
def test_a_container_is_checked_or_there_is_a_reason(name: str) -> None:
    service = SERVICES[name]
    assert ("healthcheck" in service) is not bool(service.get("x-unchecked"))
    if "healthcheck" in service:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])


@every
def test_what_a_container_waits_for_will_come(name: str) -> None:
    """Healthy is what has a check, completed what ends."""
    waits = SERVICES[name].get("depends_on", {})
    for other in waits:
        assert other in SERVICES
        condition = waits[other]["condition"] if isinstance(waits, dict) else "service_started"
        if condition == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        elif condition == "service_completed_successfully":
            assert SERVICES[other]["restart"].startswith("on-failure")


@every
def test_ports_are_this_machines(name: str) -> None:
    """Others reach only what somebody lets them to: serving, which asks for keys."""
    for raw, port in zip(RAW["services"][name].get("ports", ()), SERVICES[name].get("ports", ()), strict=True):
        assert port.startswith("127.0.0.1:"), port
        assert raw.startswith("127.0.0.1:") or name == "serving"


def test_what_asks_nobody_is_not_published() -> None:
    """A Dask scheduler runs whatever it is sent; Loki, Tempo and the databases are for containers."""
    published = {port.rpartition(":")[2] for service in SERVICES.values() for port in service.get("ports", ())}
    assert published == {"8000", "4200", "5000", "8787", "9090", "9093", "3000"}


@every
def test_what_is_mounted_is_there(name: str) -> None:
    """A file of the checkout, or one that `make compose-passwords` makes; a volume that is declared."""
    for target, (source, options) in mounts(SERVICES[name]).items():
        assert target.startswith("/")
        if source == f"./secrets/{passwords.ALERTS}":
            continue
        if source.startswith("."):
            assert (PATH.parent / source).resolve().exists(), source
            assert options == "ro"
        elif source.startswith("/"):
            assert "ro" in options.split(",")
        else:
            assert source in CONTENT["volumes"], source


def test_nothing_is_declared_that_nobody_uses() -> None:
    assert set(CONTENT["volumes"]) == {
        source for one in SERVICES.values() for source, _ in mounts(one).values() if not source.startswith(("/", "."))
    }
    assert set(CONTENT["networks"]) == {network for one in SERVICES.values() for network in one["networks"]}
    assert set(CONTENT["secrets"]) == {secret for one in SERVICES.values() for secret in one.get("secrets", ())}


@our_own
def test_all_that_ours_write_is_a_volume_or_memory(name: str) -> None:
    """With a root that cannot be written."""
    places = writable(SERVICES[name])
    assert "/tmp" in places
    assert {"/var/lib/sluice", "/var/lib/sluice/run"} & places
    # Memory over a folder of an image is root's, and others may write there only if its mode says so.
    assert set(SERVICES[name]["tmpfs"]) <= {"/tmp", "/var/lib/sluice:mode=1777"}


def test_prefect_has_room_for_its_pages() -> None:
    """It copies them at its start; where it cannot write it goes on without, and its address answers 404."""
    folder = SERVICES["prefect-server"]["environment"]["PREFECT_SERVER_UI_STATIC_DIRECTORY"]
    assert any(folder.startswith(f"{path}/") for path in writable(SERVICES["prefect-server"]))


def test_stages_share_what_they_pass_on() -> None:
    """Runs and Dask tasks see the same lake, results and artifacts; serving reads those artifacts at the same path."""
    runs, tasks = (mounts(SERVICES[name]) for name in ("prefect-worker", "dask-worker"))
    assert runs == tasks
    artifacts = "/var/lib/sluice/mlflow/artifacts"
    assert {mounts(SERVICES[name])[artifacts][0] for name in ("mlflow", "serving", "dask-worker")} == {"artifacts"}
    assert mounts(SERVICES["serving"])[artifacts][1] == "ro"
    assert f"--default-artifact-root=file://{artifacts}" in SERVICES["mlflow"]["command"]


def test_no_secret_is_in_the_file() -> None:
    """Whatever is called one comes from a variable that has to be given, or is a file."""
    for name, service in RAW["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|_KEY$|__AUTH$", variable) and not re.search("_FILE$", variable):
                assert re.search(r"\$\{\w+:\?", value), f"{name}: {variable}"
            for account in re.findall(r"://[^/@]*@", str(value)):
                assert re.fullmatch(r"://\w+:\$\{\w+:\?[^}]+\}@", account), f"{name}: {variable}"
    assert "sluice_bootstrapkey_" not in PATH.read_text(encoding="utf-8")


def test_what_has_to_be_given_is_made() -> None:
    """And each secret file is one that the same program writes, and is committed nowhere."""
    assert variables("?") <= set(passwords.PASSWORDS)
    made = {f"./secrets/{name.lower()}" for name in passwords.FILES}
    assert {one["file"] for one in CONTENT["secrets"].values()} == made
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/deployments/.env", "/deployments/secrets/"} <= set(ignored)


def is_setting(variable: str) -> bool:
    field: Any = Settings
    for part in variable.removeprefix(PREFIX).lower().split("__"):
        if not (isinstance(field, type) and issubclass(field, BaseModel)) or part not in field.model_fields:
            return False
        field = field.model_fields[part].annotation
    return True


@our_own
def test_settings_are_settings_and_fit(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each variable exists, and a process that starts with all of them does not end with a line that names one."""
    given = {key: str(value) for key, value in SERVICES[name]["environment"].items()}
    assert not [variable for variable in given if variable.startswith(PREFIX) and not is_setting(variable)]
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path))
    settings = Settings.load()
    assert settings.prefect.account == ("sluice", PASSWORDS["PREFECT_PASSWORD"])
    assert settings.mlflow.account == ("sluice", PASSWORDS["MLFLOW_PASSWORD"])
    if name == "serving":
        assert settings.serving.auth_required


@every
def test_who_is_named_can_be_reached(name: str) -> None:
    """A host in an address is a service, and has a network in common with whoever is told of it."""
    service = SERVICES[name]
    told = [str(value) for value in service.get("environment", {}).values()]
    told += [argument for argument in service.get("command", ()) if "allowed-hosts" not in argument]
    for host, port in re.findall(r"(?:://|@|^)([a-z][a-z-]+):(\d{4,5})(?:/|$)", "\n".join(told), re.MULTILINE):
        assert host in SERVICES, f"{host}:{port}"
        if name == "watching":
            continue  # it writes addresses down for others, and asks nobody
        assert set(SERVICES[host]["networks"]) & set(service["networks"]), f"{name} cannot reach {host}"


def test_databases_have_no_way_out() -> None:
    assert CONTENT["networks"]["databases"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["databases"]
    users = {name for name, one in SERVICES.items() if "databases" in one["networks"]}
    assert users == {"postgres", "prefect-server", "mlflow"}


def compose_settings(monkeypatch: pytest.MonkeyPatch, home: Path) -> Settings:
    for variable, value in SERVICES["watching"]["environment"].items():
        monkeypatch.setenv(variable, str(value))
    monkeypatch.setenv("SLUICE_HOME", str(home))
    return Settings.load()


def test_prometheus_scrapes_the_jobs_of_a_laptop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Rules and dashboards name them, so they are the same; each target is a service that Prometheus reaches."""
    made = watching.prometheus(compose_settings(monkeypatch, tmp_path))
    local = Settings(home=tmp_path)
    configure_watching(StackRecord.of(local, root=tmp_path), local)
    there = yaml.safe_load((tmp_path / "run" / "observe" / "prometheus.yml").read_text(encoding="utf-8"))
    assert [job["job_name"] for job in made["scrape_configs"]] == [job["job_name"] for job in there["scrape_configs"]]
    named = re.findall(r"([a-z][a-z-]+):\d+", yaml.safe_dump(made["scrape_configs"]) + "alertmanager:9093")
    reached = set(SERVICES["prometheus"]["networks"])
    assert named
    for host in set(named):
        assert set(SERVICES[host]["networks"]) & reached, host


def test_what_watches_finds_its_files_where_they_are_mounted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Rules, templates and passwords; the configuration itself has no secret in it."""
    settings = compose_settings(monkeypatch, tmp_path)
    prometheus, alertmanager = watching.prometheus(settings), watching.alertmanager(settings)
    at = mounts(SERVICES["prometheus"])
    assert at[str(watching.RULES)][0] == "../observability/rules"
    assert mounts(SERVICES["alertmanager"])[str(watching.TEMPLATES)][0] == "../observability/alertmanager/templates"
    assert prometheus["rule_files"] == ["/etc/prometheus/rules/*.yaml"]
    assert alertmanager["templates"] == ["/etc/alertmanager/templates/*.tmpl"]
    files = set(re.findall(r"/run/secrets/(\w+)", yaml.safe_dump(prometheus)))
    assert files == set(SERVICES["prometheus"]["secrets"])
    assert not any(secret in yaml.safe_dump([prometheus, alertmanager]) for secret in PASSWORDS.values())
    for service in ("prometheus", "alertmanager"):
        (config,) = (one for one in SERVICES[service]["command"] if one.startswith("--config.file="))
        folder, _, name = config.partition("=")[2].rpartition("/")
        assert mounts(SERVICES[service])[folder][0] == "watching"
        assert name in {"prometheus.yml", "alertmanager.yml"}


def test_a_receiver_is_a_file_that_both_see(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who writes the configuration reads it, to say what is wrong with it; Alertmanager reads it when it tells."""
    assert mounts(SERVICES["watching"])["/run/alerts"] == mounts(SERVICES["alertmanager"])["/run/alerts"]
    file = tmp_path / "slack_url"
    file.write_text("https://hooks.example.com/T0", encoding="utf-8")
    monkeypatch.setenv("SLUICE_OBSERVE__SLACK_URL_FILE", str(file))
    settings = Settings.load()
    told = watching.alertmanager(settings)
    assert told["receivers"][0]["slack_configs"][0]["api_url_file"] == str(file)


@pytest.mark.parametrize(
    ("service", "files"),
    [
        ("grafana", ["grafana/provisioning/datasources/sluice.yaml", "grafana/provisioning/dashboards/sluice.yaml"]),
        ("loki", ["loki/loki.yaml"]),
        ("tempo", ["tempo/tempo.yaml"]),
        ("alloy", ["alloy/compose.alloy"]),
    ],
)
def test_configurations_are_given_the_variables_that_they_read(service: str, files: list[str]) -> None:
    text = "\n".join((ROOM / file).read_text(encoding="utf-8") for file in files)
    read = set(re.findall(r'(?<!\$)\$\{(\w+)(?!\w*\.)|sys\.env\("(\w+)"\)', text))
    wanted = {one or other for one, other in read} - {"__value", "__trace"}
    given = {name for name in SERVICES[service]["environment"] if not name.startswith("GF_")}
    assert given <= wanted
    optional = set(re.findall(r"\$\{(\w+):-", text))
    assert wanted - optional <= given


def test_lines_of_other_containers_are_found_by_the_tag_that_compose_sets() -> None:
    """Ours send their lines themselves; were they tagged, each would be stored twice."""
    for name, service in SERVICES.items():
        tagged = service["logging"]["options"].get("tag") == "{{.Name}}"
        assert tagged is (name not in {*ours(), "alloy"}), name
        if name in set(ours()):
            assert service["environment"]["SLUICE_LOGS__PUSH"] == "true"
    assert CONTENT["name"] == "sluice"  # of which the tag, and so Alloy's pattern, is made
    pattern = re.search(
        r'expression = "(\^sluice-.+?)"', (ROOM / "alloy" / "compose.alloy").read_text(encoding="utf-8")
    )
    assert pattern
    found = re.match(pattern[1].replace("\\\\", "\\"), "sluice-node-exporter-1")
    assert found is not None
    assert found["service_name"] == "node-exporter"


def test_postgresql_makes_what_the_two_are_told_of() -> None:
    """A database and an account each, with the password that stands in the address."""
    script = (PATH.parent / "compose" / "postgres-init.sh").read_text(encoding="utf-8")
    (names,) = re.findall(r"for name in (.+); do", script)
    for name in names.split():
        address = "".join(map(str, SERVICES["prefect-server" if name == "prefect" else name]["environment"].values()))
        assert f"://{name}:{PASSWORDS[f'{name.upper()}_DATABASE_PASSWORD']}@postgres:5432/{name}" in address
        assert f"{name}_database_password" in SERVICES["postgres"]["secrets"]


def test_the_page_names_services_volumes_and_variables_that_exist() -> None:
    """What docs/compose.md has a reader type or write into .env."""
    page = (ROOT / "docs" / "compose.md").read_text(encoding="utf-8")
    compose = [
        line.split("compose.yaml ")[1].split() for line in page.splitlines() if line.startswith("docker compose")
    ]
    assert compose
    for verb, *rest in compose:
        words = [word for word in rest if not word.startswith("-")]
        if verb == "stop":
            assert set(words) <= set(SERVICES)
        elif verb in {"run", "exec"}:
            assert words[0] in SERVICES
        elif "--scale" in rest:
            assert rest[rest.index("--scale") + 1].partition("=")[0] in SERVICES
    assert set(re.findall(r"--volume sluice_([\w-]+):", page)) <= set(CONTENT["volumes"])
    (table,) = re.findall(r"\| variable \| default.*?\n\n", page, re.DOTALL)
    named = {name for row in table.strip().splitlines()[2:] for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])}
    assert named
    assert named | {"SERVING_ADDRESS", "CONTAINER_LOGS"} <= variables("-")
