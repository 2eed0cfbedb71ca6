"""The client retries, reads all pages and raises with Google's message; an access comes from keys or variables."""

import pytest

from google_cloud.access import Access, NoCredentialsError, access_of, credentials_of
from google_cloud.rest import CloudError, GoogleClient, entries
from tests.support.google_stand_in import PROJECT, ZONE

ASKED = ("compute", f"projects/{PROJECT}/zones/{ZONE}")


@pytest.fixture
def google(access: Access) -> GoogleClient:
    return GoogleClient(access)


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_temporary_failure_is_retried(cloud, google, code):
    cloud.answers_first = [(code, None)] * 4
    assert google.get(*ASKED)["status"] == "UP"
    assert len(cloud.requests) == 5


@pytest.mark.parametrize("code", [429, 500])
def test_a_lasting_failure_is_an_error_with_googles_message(cloud, google, code):
    cloud.answers_first = [(code, None)] * 5
    with pytest.raises(CloudError, match=f"compute answered {code}: made to answer so") as caught:
        google.get(*ASKED)
    assert caught.value.status == code


def test_a_refusal_is_not_retried(cloud, google):
    cloud.answers_first = [(403, None)]
    with pytest.raises(CloudError):
        google.get(*ASKED)
    assert len(cloud.requests) == 1


@pytest.mark.parametrize("content", [b"<html>sign in</html>", b"[]", b'"text"', b"{"])
def test_an_answer_that_is_not_a_json_object_is_an_error(cloud, google, content):
    cloud.answers_first = [(200, content)]
    with pytest.raises(CloudError, match="not a JSON object"):
        google.get(*ASKED)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"error": "text"}', b"{}"])
def test_a_refusal_without_googles_error_format_still_gives_its_status(cloud, google, content):
    cloud.answers_first = [(403, content)]
    with pytest.raises(CloudError, match="answered 403: Forbidden"):
        google.get(*ASKED)


@pytest.mark.parametrize("page", [{"items": {}}, {"items": ["text"]}, {"items": None}])
def test_a_list_of_another_form_is_an_error_and_not_empty(page):
    with pytest.raises(CloudError, match="`items`"):
        entries(page, "items")


def test_every_page_is_read(cloud, google):
    cloud.answers_first = [
        (200, b'{"items": [{"name": "a"}], "nextPageToken": "2"}'),
        (200, b'{"nextPageToken": "3"}'),
        (200, b'{"items": [{"name": "b"}]}'),
    ]
    pages = google.pages("compute", "projects/acme/global/networks")
    assert [entry["name"] for page in pages for entry in entries(page, "items")] == ["a", "b"]


def test_an_endpoint_that_does_not_answer_is_an_error_that_names_the_service(no_environment):
    nowhere = access_of({"gcp:accessToken": "t", "gcp:computeCustomEndpoint": "http://127.0.0.1:9/"}, PROJECT)
    with pytest.raises(CloudError, match="no answer from compute") as caught:
        GoogleClient(nowhere).get(*ASKED)
    assert caught.value.status is None


def test_a_stack_s_own_keys_come_before_the_environment(monkeypatch):
    monkeypatch.setenv("GOOGLE_PROJECT", "from-the-environment")
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token-of-the-environment")
    assert access_of({}).project == "from-the-environment"
    assert access_of({}).token == "token-of-the-environment"
    assert access_of({"gcp:project": "from-the-stack", "gcp:accessToken": "own"}).project == "from-the-stack"
    assert access_of({"gcp:project": "from-the-stack"}, "given").project == "given"


def test_the_repr_of_an_access_holds_no_secrets():
    access = access_of({"gcp:accessToken": "very-secret", "gcp:credentials": '{"private_key": "very-secret"}'})
    assert "very-secret" not in repr(access)


@pytest.mark.parametrize("key", ["{", "/no/such/file.json", '{"type": "unlisted-of"}', "[]"])
def test_a_key_that_cannot_be_used_is_an_error(no_environment, key):
    with pytest.raises(NoCredentialsError):
        credentials_of(access_of({"gcp:credentials": key}))


def test_missing_credentials_are_an_error(no_environment):
    with pytest.raises(NoCredentialsError):
        credentials_of(access_of({}))


def test_the_environments_endpoints_count_where_the_stack_names_none(monkeypatch, no_environment):
    monkeypatch.setenv("GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT", "http://usage/")
    monkeypatch.setenv("GOOGLE_COMPUTE_CUSTOM_ENDPOINT", "http://compute/")
    access = access_of({"gcp:computeCustomEndpoint": "http://stack/"})
    assert access.endpoints == {"serviceUsage": "http://usage/", "compute": "http://stack/"}
