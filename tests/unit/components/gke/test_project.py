import pytest

from components.gke.project import why_there_is_no_project
from google_cloud.access import PROJECT_VARIABLES


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROJECT_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_a_stack_without_a_project_is_told_how_to_set_one_and_how_to_preview_without():
    message = why_there_is_no_project("8cpu-16gb", {"gcp:zone": "us-central1-a"})
    assert message is not None
    assert message.startswith("gcp:project is not set, so there is nowhere to create the stack 8cpu-16gb; ")
    assert "pulumi config set gcp:project PROJECT --stack 8cpu-16gb" in message
    assert "GOOGLE_PROJECT=any-name GOOGLE_OAUTH_ACCESS_TOKEN=none pulumi preview --stack 8cpu-16gb" in message


@pytest.mark.parametrize("variable", PROJECT_VARIABLES)
def test_a_project_may_come_from_each_variable_that_the_provider_reads(monkeypatch: pytest.MonkeyPatch, variable: str):
    monkeypatch.setenv(variable, "acme-lab")
    assert why_there_is_no_project("8cpu-16gb", {}) is None


def test_a_project_may_come_from_the_stack_file():
    assert why_there_is_no_project("8cpu-16gb", {"gcp:project": "acme-lab"}) is None
