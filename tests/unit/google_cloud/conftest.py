"""A project of Google Cloud's that stands in, and the way there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from urllib3.util import Retry

from google_cloud.access import Access, access_of
from google_cloud.rest import PATIENT, Google
from tests.support.google_stand_in import PROJECT, GoogleStandIn, serving


@pytest.fixture
def cloud() -> GoogleStandIn:
    return GoogleStandIn()


@pytest.fixture
def access(cloud: GoogleStandIn, no_environment: None) -> Iterator[Access]:
    with serving(cloud) as keys:
        yield access_to(keys)


def access_to(keys: dict[str, str]) -> Access:
    """To the stand-in whose endpoints these are."""
    return access_of(keys | {"gcp:project": PROJECT, "gcp:accessToken": "a-token"})


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion that goes on is looked at again at once."""
    monkeypatch.setattr("google_cloud.removal._LOOK_S", 0)


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials but those that a test gives, and every program that a stack needs on PATH."""
    for name in ("GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_PROJECT",
                 "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    plugin = tmp_path / "bin/gke-gcloud-auth-plugin"
    plugin.parent.mkdir()
    plugin.write_text("#!/bin/sh\n")
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", str(plugin.parent))


def hasty() -> Retry:
    """As often as otherwise, without waiting."""
    return PATIENT.new(backoff_factor=0)


def connect(access: Access) -> Google:
    return Google(access, hasty())
