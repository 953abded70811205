"""A release's changes to the job template of the work pool."""

from pathlib import Path

import pytest

from deployments.cluster.job_template import JobChanges, changed
from deployments.errors import JobTemplateInvalidError
from deployments.register import kubernetes_template


def test_changes_are_in_a_copy() -> None:
    """Defaults, labels and fields are there; the template that ships stays as it was."""
    changes = JobChanges(
        defaults={"namespace": "ml", "image": "flows:1"},
        labels={"app": "run"},
        pod={"nodeSelector": {"pool": "gpu"}, "volumes": [{"name": "data", "emptyDir": {}}]},
        container={"env": [{"name": "A", "value": "b"}]},
    )
    template = changed(kubernetes_template(), changes)
    variables = template["variables"]["properties"]
    pod = template["job_configuration"]["job_manifest"]["spec"]["template"]
    assert (variables["namespace"]["default"], variables["image"]["default"]) == ("ml", "flows:1")
    assert pod["metadata"]["labels"] == {"app": "run"}
    assert pod["spec"]["nodeSelector"] == {"pool": "gpu"}
    # Its own volume stays; the placeholder of the environment is replaced, and Prefect adds to the list.
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["work", "data"]
    assert pod["spec"]["containers"][0]["env"] == [{"name": "A", "value": "b"}]
    assert kubernetes_template()["variables"]["properties"]["namespace"]["default"] == "sluice"


def test_unknown_variable_is_refused() -> None:
    """Prefect would drop it without a word."""
    with pytest.raises(JobTemplateInvalidError, match="no variable cpus"):
        changed(kubernetes_template(), JobChanges(defaults={"cpus": "1"}))


@pytest.mark.parametrize(("text", "said"), [("nodes: {}", "nodes"), ("pod: 3", "pod"), ("{", "job.yaml")])
def test_unreadable_changes_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """The message has the file's name, and the field's."""
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(JobTemplateInvalidError, match=said):
        JobChanges.read(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """As an unreadable one."""
    with pytest.raises(JobTemplateInvalidError, match="none"):
        JobChanges.read(tmp_path / "none.yaml")
