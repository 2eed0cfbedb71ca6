"""Fixtures: a stand-in for Google Cloud with one project, and access to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from google_cloud.access import Access, access_of
from google_cloud.rest import RETRIES
from tests.support.google_stand_in import (
    PROJECT,
    GoogleStandIn,
    application_default_credentials,
    serving,
    write_auth_plugin,
)


@pytest.fixture
def cloud() -> GoogleStandIn:
    return GoogleStandIn()


@pytest.fixture
def access(
    cloud: GoogleStandIn, no_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Access]:
    with serving(cloud) as keys:
        file = application_default_credentials(keys, tmp_path)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        yield access_of(keys | {"gcp:project": PROJECT})


def access_to(keys: dict[str, str]) -> Access:
    """Access to the stand-in with these endpoints."""
    return access_of(keys | {"gcp:project": PROJECT, "gcp:accessToken": "a-token"})


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll and retry at once."""
    monkeypatch.setattr("google_cloud.removal._POLL_INTERVAL_S", 0)
    monkeypatch.setattr("google_cloud.rest.RETRIES", RETRIES.new(backoff_factor=0))


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove all credentials but those that a test gives, and put the programs that a stack needs on PATH."""
    for name in ("GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS",
                 "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT", "GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT",
                 "CLOUDSDK_CORE_PROJECT"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    plugin = tmp_path / "bin/gke-gcloud-auth-plugin"
    plugin.parent.mkdir()
    write_auth_plugin(plugin)
    monkeypatch.setenv("PATH", str(plugin.parent))
