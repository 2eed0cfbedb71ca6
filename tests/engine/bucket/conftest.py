"""An object-store server for each module here."""

from collections.abc import Iterator

import pytest

from tests.support.go_programs import OBJECT_STORE
from tests.support.object_store.refusing_proxy import RefusingProxy, refusing_proxy
from tests.support.object_store.serve import ObjectStore, object_store
from tools.pins import ROOT


@pytest.fixture(scope="session", autouse=True)
def _built() -> None:
    if not OBJECT_STORE.is_installed(ROOT):
        pytest.fail("the object-store server is missing or outdated; run `make setup-kubernetes`")


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


@pytest.fixture
def proxy() -> Iterator[RefusingProxy]:
    with refusing_proxy() as proxy:
        yield proxy
