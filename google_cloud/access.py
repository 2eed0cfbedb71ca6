"""Project, credentials and endpoints, from a stack's `gcp:*` keys or from environment variables.

Keys, variables and their order are those of Pulumi's Google provider, so that both act as the same user.
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
from pydantic.alias_generators import to_camel

from google_cloud.auth_plugin import LOGIN
from stacks.explain import first_line
from stacks.files import GOOGLE_PREFIX

_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_ENDPOINT = "CustomEndpoint"
_ENDPOINT_VARIABLE = re.compile(r"GOOGLE_(\w+)_CUSTOM_ENDPOINT")
PROJECT_VARIABLES = ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT")
_KEY_VARIABLES = ("GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON", "GCLOUD_KEYFILE_JSON")


class NoCredentialsError(Exception):
    """There are no usable credentials; the message says why."""


@dataclass(frozen=True)
class Access:
    """A project, and the credentials and endpoints for it. Its `repr` leaves out the secret ones, tokens and keys."""

    project: str | None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """URL by service, where it is not Google's own: google_cloud.rest.ENDPOINTS."""
    token: str | None = field(default=None, repr=False)
    """An access token; like the next two, only Pulumi's Google provider and this package know it."""
    key: str | None = field(default=None, repr=False)
    """The content of a credentials file, or its path."""
    impersonate: str | None = None


def access_of(google: Mapping[str, str], project: str | None = None) -> Access:
    """The access that a stack's `gcp:*` keys give (stacks.files.google_keys); unset ones come from the environment."""
    configured = {key.removeprefix(GOOGLE_PREFIX): value for key, value in google.items()}
    return Access(
        project=project or configured.get("project") or _variable(PROJECT_VARIABLES),
        endpoints=_endpoints_of_environment()
        | {key.removesuffix(_ENDPOINT): url for key, url in configured.items() if key.endswith(_ENDPOINT)},
        token=configured.get("accessToken") or _variable(("GOOGLE_OAUTH_ACCESS_TOKEN",)),
        key=configured.get("credentials") or _variable(_KEY_VARIABLES),
        impersonate=configured.get("impersonateServiceAccount") or _variable(("GOOGLE_IMPERSONATE_SERVICE_ACCOUNT",)),
    )


def keys_for_the_provider_only(access: Access) -> dict[str, str]:
    """Settings of credentials that gke-gcloud-auth-plugin does not read, and what to use in place of each."""
    used = {
        ("gcp:accessToken", "GOOGLE_OAUTH_ACCESS_TOKEN"): (access.token, LOGIN),
        ("gcp:credentials", *_KEY_VARIABLES): (
            access.key,
            "export GOOGLE_APPLICATION_CREDENTIALS=<path of the credentials file>",
        ),
        ("gcp:impersonateServiceAccount", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"): (
            access.impersonate,
            f"{LOGIN} --impersonate-service-account={access.impersonate}",
        ),
    }
    return {" or ".join(names): instead for names, (value, instead) in used.items() if value}


def credentials_of(access: Access) -> Credentials:
    """The user's credentials: a token, a key, or those of `gcloud auth application-default login`.

    Raises NoCredentialsError.
    """
    try:
        source = _source(access)
    except (GoogleAuthError, OSError, ValueError) as error:
        raise NoCredentialsError(first_line(error)) from None
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
            # The warning is about keys from an untrusted source; this one is the user's own.
            warnings.simplefilter("ignore", DeprecationWarning)
            loaded: tuple[Credentials, str | None] = google.auth.load_credentials_from_dict(
                json.loads(text), scopes=_SCOPES
            )
        return loaded[0]
    return google.auth.default(scopes=_SCOPES)[0]


def _endpoints_of_environment() -> dict[str, str]:
    """URL by service, from variables such as GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT."""
    names = (_ENDPOINT_VARIABLE.fullmatch(name) for name in os.environ)
    return {to_camel(name[1].lower()): url for name in names if name and (url := os.environ[name[0]])}


def _variable(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)
