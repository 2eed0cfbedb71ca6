"""Which project, whose credentials and which endpoints: what a stack's `gcp:*` keys and the environment say.

The keys and variables are those of Pulumi's Google provider, in its order, so that both act as the same user.
https://www.pulumi.com/registry/packages/gcp/installation-configuration/
"""

import json
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import google.auth
import google.oauth2.credentials
from google.auth import impersonated_credentials
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError

from stacks.google import PREFIX

_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_ENDPOINT = "CustomEndpoint"
_ENDPOINT_VARIABLE = re.compile(r"GOOGLE_(\w+)_CUSTOM_ENDPOINT")
_PROJECT_VARIABLES = ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT")
_TOKEN_VARIABLES = ("GOOGLE_OAUTH_ACCESS_TOKEN",)
_KEY_VARIABLES = ("GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON", "GCLOUD_KEYFILE_JSON")
_IMPERSONATE_VARIABLES = ("GOOGLE_IMPERSONATE_SERVICE_ACCOUNT",)


class NoCredentialsError(Exception):
    """There are no credentials, or they cannot be used; the message says which were looked at."""


@dataclass(frozen=True)
class Access:
    """How Google is asked. Tokens and keys are secret, and stay out of its text."""

    project: str | None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """By service, as in google_cloud.rest.ENDPOINTS, where the stack names others than Google's own."""
    token: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    """A credentials file's content or path."""
    impersonate: str | None = None


def access_of(google: Mapping[str, str], project: str | None = None) -> Access:
    """What a stack's `gcp:*` keys say (stacks.google.google_keys); the environment where they say nothing."""
    said = {key.removeprefix(PREFIX): value for key, value in google.items()}
    return Access(
        project=project or said.get("project") or _variable(_PROJECT_VARIABLES),
        endpoints=_endpoints_of_environment()
        | {key.removesuffix(_ENDPOINT): url for key, url in said.items() if key.endswith(_ENDPOINT)},
        token=said.get("accessToken") or _variable(_TOKEN_VARIABLES),
        key=said.get("credentials") or _variable(_KEY_VARIABLES),
        impersonate=said.get("impersonateServiceAccount") or _variable(_IMPERSONATE_VARIABLES),
    )


def credentials_of(access: Access) -> Credentials:
    """The user's own: a token, a key, or what `gcloud auth application-default login` left.

    Raises NoCredentialsError.
    """
    try:
        source = _source(access)
    except (GoogleAuthError, OSError, ValueError) as error:
        raise NoCredentialsError(str(error).splitlines()[0]) from None
    if access.impersonate is None:
        return source
    return impersonated_credentials.Credentials(
        source_credentials=source, target_principal=access.impersonate, target_scopes=_SCOPES
    )


def _source(access: Access) -> Credentials:
    if access.token:
        return google.oauth2.credentials.Credentials(token=access.token)
    if access.key:
        text = access.key if access.key.lstrip().startswith("{") else Path(access.key).read_text(encoding="utf-8")
        with warnings.catch_warnings():
            # It warns of keys that come from somebody else; this one is the user's own, of whichever kind.
            warnings.simplefilter("ignore", DeprecationWarning)
            found: tuple[Credentials, str | None] = google.auth.load_credentials_from_dict(
                json.loads(text), scopes=_SCOPES
            )
        return found[0]
    return google.auth.default(scopes=_SCOPES)[0]


def _endpoints_of_environment() -> dict[str, str]:
    """Such as GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT, by service."""
    found = (_ENDPOINT_VARIABLE.fullmatch(name) for name in os.environ)
    return {_camel(each[1]): url for each in found if each and (url := os.environ[each[0]])}


def _camel(words: str) -> str:
    first, *others = words.lower().split("_")
    return first + "".join(map(str.capitalize, others))


def _variable(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)
