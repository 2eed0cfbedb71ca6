"""The Pulumi program of a stack: reads its settings, declares its platform, and exports the outputs."""

import gc
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pulumi
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env

from components.platform_args import PlatformArgs
from stacks.config import settings_of_this_stack
from stacks.explain import SettingsError
from stacks.files import google_keys, zone_of
from stacks.settings import Settings

if TYPE_CHECKING:
    from components.load_test.cluster import ClusterLoadTest
    from components.load_test.local import LoadTest

# Each platform imports the packages of its own providers, which take seconds to load.
# ruff: noqa: PLC0415

STACK, CHECKOUT = pulumi.get_stack(), Path(__file__).parent.resolve()
Outputs = Mapping[str, object]
# Pulumi's exit status for an error that is already printed, in sdk/python/cmd/pulumi-language-python-exec.
_REPORTED = 32


def local(settings: Settings) -> Outputs:
    """A process on this machine."""
    from components.platforms.local import LocalPlatform

    platform = LocalPlatform("local", PlatformArgs(STACK, settings, CHECKOUT))
    serving, load_test = platform.serving, platform.load_test
    return {
        "restUrl": serving.rest_url,
        "grpcAddress": serving.grpc_address,
        "server": pulumi.Output.format("{0} {1}", serving.server, serving.server_version),
        "serverPid": serving.pid,
        "serverLog": serving.log,
        **measured(load_test, settings),
    }


def kubernetes(settings: Settings) -> Outputs:
    """An existing cluster."""
    from components.platforms.kubernetes import KubernetesPlatform
    from components.provider_plugins import why_plugin_is_missing
    from tools.pulumi_plugins import KUBERNETES

    if missing := why_plugin_is_missing(KUBERNETES):
        stop(missing)
    platform = KubernetesPlatform("kubernetes", PlatformArgs(STACK, settings, CHECKOUT))
    return {
        "restUrl": platform.serving.rest_url,
        "grpcAddress": platform.serving.grpc_address,
        **measured(platform.load_test, settings),
    }


def gke(settings: Settings) -> Outputs:
    """A cluster that the stack creates. Its hourly price is known in previews."""
    from analysis.pricing.stack_cost import hourly_sentence
    from components.gke.passphrase import why_secrets_are_unprotected
    from components.gke.project import why_there_is_no_project
    from components.gke.reach import why_google_is_out_of_reach
    from components.platforms.gke import GkePlatform, GkePlatformArgs, costs_of
    from components.provider_plugins import why_plugin_is_missing
    from tools.pulumi_plugins import GCP, KUBERNETES

    config = get_config_env()
    secrets, stack_file = get_config_secret_keys_env(), CHECKOUT / f"stacks/Pulumi.{STACK}.yaml"
    if unprotected := why_secrets_are_unprotected(STACK, config, secrets, os.environ, stack_file):
        stop(unprotected)
    args = GkePlatformArgs(STACK, settings, CHECKOUT, zone_of(config, settings), google_keys(config))
    if no_project := why_there_is_no_project(STACK, args.google):
        stop(no_project)
    if missing := why_plugin_is_missing(GCP, KUBERNETES) or why_google_is_out_of_reach(args.google):
        pulumi.log.info(hourly_sentence(*costs_of(args)))
        stop(missing)
    platform = GkePlatform("gke", args)
    return {
        "cost": platform.cost,
        "expiresAt": platform.lease.expires_at,
        "kubeconfig": platform.cluster.kubeconfig,
        "modelUri": platform.model_store.uri,
        "restUrl": platform.serving.rest_url,
        "grpcAddress": platform.serving.grpc_address,
        **measured(platform.load_test, settings),
    }


def measured(load_test: "LoadTest | ClusterLoadTest", settings: Settings) -> Outputs:
    """The outputs of the load test, which every stack has."""
    return {
        "runId": load_test.run_id,
        "runIds": load_test.run_ids,
        "headline": load_test.headline,
        "summary": load_test.summary,
        "details": pulumi.Output.format("shapebench show {0} --results {1}", load_test.run_id, settings.results),
    }


def stop(message: str) -> NoReturn:
    """End the program with one error. After a RunError, Pulumi would add that the program exited with status 1."""
    pulumi.log.error(message)
    sys.exit(_REPORTED)


# The program ends within seconds and keeps what it imports. To look for garbage would take a third of its time.
gc.disable()
try:
    settings = settings_of_this_stack()
    outputs = {"local": local, "kubernetes": kubernetes, "gke": gke}[settings.platform](settings)
except SettingsError as error:
    stop(str(error))

pulumi.export("shape", settings.node_shape(STACK).model_dump())
for name, value in outputs.items():
    pulumi.export(name, value)
