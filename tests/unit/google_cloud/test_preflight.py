"""The preflight names each requirement that is not met, with the consequence and the command that solves it."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from components.gke.kubeconfig import exec_kubeconfig
from google_cloud import auth_plugin
from google_cloud.access import access_of
from google_cloud.preflight import GRANTS, ROLES, Requirements, find_problems, identity_problems, problem_report
from google_cloud.rest import CloudError
from stacks.files import load_settings
from stacks.machines.quota_needs import APIS, Need, needs
from tests.support.google_stand_in import PROJECT, ZONE, write_auth_plugin


def wanted(*accounts: str) -> Requirements:
    settings = load_settings("8cpu-16gb")
    return Requirements("8cpu-16gb", ZONE, needs(settings.node_shape("8cpu-16gb"), settings.load_shape), accounts)


@pytest.fixture
def found(access):
    """All problems as one message."""
    return lambda *accounts: problem_report(wanted(*accounts), access, find_problems(wanted(*accounts), access, print))


@pytest.fixture
def count(access):
    return lambda *accounts: len(find_problems(wanted(*accounts), access, print))


def test_where_all_requirements_are_met_there_are_no_problems(access):
    assert find_problems(wanted("shapebench-8cpu-16gb-nodes"), access, print) == []


def test_a_missing_project_is_a_problem_with_its_command(no_environment):
    (only,) = find_problems(wanted(), access_of({}), print)
    assert only.commands == ("pulumi config set gcp:project <project> --stack 8cpu-16gb",)


def test_missing_credentials_are_a_problem_with_the_login_command(no_environment):
    (only,) = find_problems(wanted(), access_of({"gcp:project": PROJECT}), print)
    assert "no usable Google credentials" in only.message
    assert only.commands == ("gcloud auth application-default login",)


def test_refused_credentials_are_a_problem_with_the_login_command(cloud, access):
    cloud.answers_first = [(401, None)] * 3
    (only,) = find_problems(wanted(), access, print)
    assert only.commands == ("gcloud auth application-default login",)


def test_a_project_that_may_not_be_seen_is_one_problem(cloud, count, found):
    cloud.project = "another"
    assert count() == 1
    assert "project acme does not exist, or these credentials may not see it" in found()
    assert "gcloud auth application-default set-quota-project acme" in found()


def test_a_missing_auth_plugin_is_reported_with_the_other_problems(cloud, found, count, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    cloud.apis.discard("container.googleapis.com")
    assert count() == 2
    assert "gcloud components install gke-gcloud-auth-plugin" in found()
    assert "apt-get install google-cloud-cli-gke-gcloud-auth-plugin" in found()


# What cred.go prints: klog's head, then the chain of errors.
KLOG = (
    "F1126 16:20:00.123456    4242 cred.go:145] print credential failed with error: Failed to retrieve access token:: "
)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (f"echo '{KLOG}google: could not find default credentials' >&2; exit 1",
         "(exit code 1: print credential failed with error: Failed to retrieve access token:: google: could not find"),
        ("echo 'unknown flag: --use_application_default_credentials' >&2; exit 2",
         "(exit code 2: unknown flag: --use_application_default_credentials)"),
        ("exit 1", "(exit code 1: it printed no error)"),
        ("echo 'token ya29.SECRET expired' >&2; exit 1", "(exit code 1: token (token) expired)"),
        ("echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"\"}}'", "not an ExecCredential with a token"),
        ("echo ya29.SECRET", "not an ExecCredential with a token"),
        ("exec /bin/sleep 30", "it did not answer within 1 s"),
    ],
)  # fmt: skip
def test_an_auth_plugin_that_gives_no_credential_is_one_line_with_its_own_reason(
    found, monkeypatch, tmp_path, script, reason
):
    monkeypatch.setattr(auth_plugin, "_TRIAL_LIMIT_S", 1.0)
    write_auth_plugin(tmp_path / "bin/gke-gcloud-auth-plugin", script)
    said = found()
    assert "one requirement of stack 8cpu-16gb is not met" in said
    (line,) = (line for line in said.splitlines() if line.startswith("1. "))
    assert line.startswith("1. gke-gcloud-auth-plugin gives no credential (")
    assert reason in line
    assert "SECRET" not in said


def test_an_auth_plugin_that_cannot_be_run_is_to_be_installed(found, tmp_path):
    plugin = tmp_path / "bin/gke-gcloud-auth-plugin"
    plugin.write_bytes(b"\x00 no program")
    plugin.chmod(0o755)
    said = found()
    assert "gke-gcloud-auth-plugin cannot be run (Exec format error), so nothing can be deployed" in said
    assert "gcloud components install gke-gcloud-auth-plugin" in said


def test_the_auth_plugin_is_run_as_the_kubeconfig_runs_it(access, tmp_path):
    write_auth_plugin(tmp_path / "bin/gke-gcloud-auth-plugin", f'echo "$@" > {tmp_path}/asked; exit 1')
    find_problems(wanted(), access, print)
    (user,) = json.loads(exec_kubeconfig("gke.example"))["users"]
    assert (tmp_path / "asked").read_text().split() == user["user"]["exec"]["args"]


@pytest.mark.parametrize(
    ("keys", "setting", "instead"),
    [
        ({"gcp:accessToken": "secret"}, "gcp:accessToken or GOOGLE_OAUTH_ACCESS_TOKEN", "application-default login"),
        ({"gcp:credentials": "/secret.json"}, "gcp:credentials or GOOGLE_CREDENTIALS",
         "export GOOGLE_APPLICATION_CREDENTIALS="),
        ({"gcp:impersonateServiceAccount": "deployer@acme"}, "gcp:impersonateServiceAccount or GOOGLE_IMPERSONATE",
         "gcloud auth application-default login --impersonate-service-account=deployer@acme"),
    ],
)  # fmt: skip
def test_credentials_that_the_auth_plugin_does_not_read_are_a_problem(no_environment, keys, setting, instead):
    (problem,) = identity_problems(access_of(keys))
    assert re.match(rf"{setting}.* is set, but gke-gcloud-auth-plugin does not read it, so", problem.message)
    assert "secret" not in problem.message
    assert instead in problem.commands[0]


@pytest.mark.parametrize(
    "variable", ["GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_CREDENTIALS", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"]
)
def test_so_are_those_of_the_providers_variables(no_environment, monkeypatch, variable):
    assert identity_problems(access_of({})) == []
    monkeypatch.setenv(variable, "value")
    assert variable in identity_problems(access_of({}))[0].message


@pytest.mark.parametrize("api", APIS)
def test_a_disabled_api_is_one_problem_with_one_command(cloud, found, count, api):
    cloud.apis.discard(api)
    assert count() == 1
    assert f"gcloud services enable {api} --project acme" in found()


def test_several_apis_are_enabled_by_one_command(cloud, found, count):
    cloud.apis = {"storage.googleapis.com"}
    assert count() == 1
    assert "services enable compute.googleapis.com container.googleapis.com iam.googleapis.com" in found()


def test_a_zone_and_region_that_do_not_exist_are_one_problem(cloud, found, count):
    cloud.zones.clear()
    assert count() == 1
    assert "zone us-central1-a does not exist" in found()
    assert "pulumi config set gcp:zone <zone> --stack 8cpu-16gb" in found()


def test_a_zone_that_is_down_is_a_problem(cloud, found):
    cloud.zones[ZONE] = "DOWN"
    assert "zone us-central1-a is DOWN" in found()


@pytest.mark.parametrize("need", [need for need in wanted().needs if need.scope == "region"], ids=lambda n: n.metric)
def test_a_regional_quota_one_too_small_is_a_problem_with_the_value_to_request(cloud, found, count, need):
    cloud.regional[need.metric] = (need.amount + 6.0, 7.0)
    assert count() == 1
    assert f"quota {need.metric} in us-central1: {need.amount} needed, {need.amount - 1} left" in found()
    identity = f"{need.metric.replace('_', '-')}-per-project-region --dimensions=region=us-central1"
    assert f"--quota-id={identity} --preferred-value={need.amount + 7}" in found()


@pytest.mark.parametrize("need", [need for need in wanted().needs if need.scope == "project"], ids=lambda n: n.metric)
def test_a_project_quota_one_too_small_is_a_problem_with_the_value_to_request(cloud, found, count, need):
    cloud.global_[need.metric] = (need.amount + 6.0, 7.0)
    assert count() == 1
    assert f"--quota-id={need.metric.replace('_', '-')}-per-project --preferred-value={need.amount + 7}" in found()


@pytest.mark.parametrize("need", wanted().needs, ids=lambda need: need.metric)
def test_a_quota_of_exactly_what_is_needed_is_enough(cloud, count, need):
    quotas = cloud.regional if need.scope == "region" else cloud.global_
    quotas[need.metric] = (need.amount + 3.0, 3.0)
    assert count() == 0


def test_a_quota_that_google_does_not_list_is_a_note_that_says_where_to_look_and_refuses_nothing(cloud, count, capsys):
    del cloud.regional["E2_CPUS"]
    assert count() == 0
    (note,) = capsys.readouterr().out.splitlines()
    assert note.startswith(
        "quota E2_CPUS in us-central1: 20 needed, but Google's list of quotas lacks it, so it was not"
    )
    assert "Google refuses a part of the stack, perhaps only after the cluster was created and costs money" in note
    assert (
        "gcloud quotas info describe E2-CPUS-per-project-region --service=compute.googleapis.com --project=acme" in note
    )
    assert "https://console.cloud.google.com/iam-admin/quotas?project=acme" in note


@pytest.mark.parametrize("need", wanted().needs, ids=lambda need: need.metric)
def test_what_is_listed_leaves_no_note_and_each_quota_that_is_not_leaves_one(cloud, count, capsys, need):
    assert count() == 0
    assert capsys.readouterr().out == ""
    del (cloud.regional if need.scope == "region" else cloud.global_)[need.metric]
    assert count() == 0
    assert capsys.readouterr().out.count(f"quota {need.metric} ") == 1


def test_the_quotas_of_newer_series_are_noted_by_the_family_of_machines_and_by_the_kind_of_disk(access, capsys):
    needed = (Need("CPUS_PER_VM_FAMILY", "region", 16), Need("HDB_TOTAL_GB", "region", 40))
    assert find_problems(Requirements("c4", ZONE, needed, ()), access, print) == []
    family, disk = capsys.readouterr().out.splitlines()
    assert "quota CPUS_PER_VM_FAMILY in us-central1: 16 needed" in family
    assert "CPUS-PER-VM-FAMILY-per-project-region" in family
    assert "quota HDB_TOTAL_GB in us-central1: 40 needed" in disk
    assert "HDB-TOTAL-GB-per-project-region" in disk


def test_a_region_that_does_not_exist_leaves_no_notes_about_its_quotas(cloud, count, capsys):
    cloud.zones.clear()
    assert count() == 1
    assert capsys.readouterr().out == ""


def test_a_usage_above_the_limit_leaves_0_and_not_less(cloud, found):
    cloud.regional["CPUS"] = (8.0, 12.0)
    assert "0 left" in found()


def test_a_quota_without_limit_and_usage_is_an_error(cloud, access):
    cloud.answers_first = []
    cloud.regional["CPUS"] = (None, None)
    with pytest.raises(CloudError, match="quota CPUS"):
        find_problems(wanted(), access, print)


@pytest.mark.parametrize("permission", ROLES)
def test_a_missing_permission_is_a_problem_with_the_role_that_has_it(cloud, found, count, permission):
    cloud.permissions.discard(permission)
    assert count() == 1
    assert f"these credentials lack the permission {permission}" in found()
    assert f"add-iam-policy-binding acme --member=user:<you> --role={ROLES[permission]}" in found()


@pytest.mark.parametrize("permission", GRANTS)
def test_a_bucket_of_others_whose_grants_may_not_be_changed_is_a_problem(cloud, access, permission):
    in_place = replace(wanted(), model_bucket="of-the-team")
    assert find_problems(in_place, access, print) == []
    assert "GET storage/b/of-the-team/iam/testPermissions" in cloud.requests
    cloud.permissions.discard(permission)
    (only,) = find_problems(in_place, access, print)
    assert only.message.startswith(
        f"these credentials lack {permission} on the bucket of-the-team, so the stack cannot"
    )
    assert only.commands[0].startswith("gcloud storage buckets add-iam-policy-binding gs://of-the-team ")
    assert find_problems(wanted(), access, print) == []


def test_a_service_account_that_exists_already_is_a_problem(cloud, found):
    email = "shapebench-8cpu-16gb-nodes@acme.iam.gserviceaccount.com"
    cloud.resources[f"iam/projects/acme/serviceAccounts/{email}"] = {"email": email}
    message = found("shapebench-8cpu-16gb-nodes")
    assert "service account shapebench-8cpu-16gb-nodes exists already" in message
    assert "shapebench janitor --project acme --stack 8cpu-16gb" in message
    assert f"gcloud iam service-accounts delete {email} --project acme  # if no stack uses it" in message


@pytest.mark.parametrize(("minutes", "side"), [(45, "behind"), (-45, "ahead of")])
def test_a_clock_by_which_the_lease_would_be_wrong_is_a_problem(cloud, found, count, minutes, side):
    cloud.ahead = timedelta(minutes=minutes)
    assert count() == 1
    assert f"this machine's clock is 45 minutes {side} Google's, so the stack's lease would end at the wrong" in found()
    cloud.ahead = timedelta(minutes=minutes / 9)
    assert count() == 0


def test_all_problems_are_in_one_message(cloud, found):
    cloud.apis.discard("storage.googleapis.com")
    cloud.regional["CPUS"] = (8.0, 0.0)
    cloud.regional["SSD_TOTAL_GB"] = (10.0, 0.0)
    cloud.permissions.clear()
    text = found()
    assert text.startswith(f"nothing was created, because {3 + len(ROLES)} requirements of stack 8cpu-16gb are not met")
    assert "pulumi config set --path shapebench:gke.preflight false --stack 8cpu-16gb" in text


def test_what_may_not_be_read_is_a_problem_and_the_rest_is_still_checked(cloud, access):
    # The second question is for the zone.
    enabled = [{"name": f"projects/acme/services/{api}", "state": "ENABLED"} for api in APIS]
    cloud.answers_first = [(200, json.dumps({"services": enabled}).encode()), (403, None)]
    cloud.permissions.discard("storage.buckets.create")
    found = find_problems(wanted(), access, print)
    assert [each.message.split(" (")[0] for each in found] == [
        "these credentials are not allowed to read the project",
        "these credentials lack the permission storage.buckets.create, so Google would refuse a part of the stack",
    ]


def test_an_outage_of_google_is_an_error_and_not_a_problem(cloud, access):
    cloud.answers_first = [(500, None)] * 5
    with pytest.raises(CloudError, match="answered 500"):
        find_problems(wanted(), access, print)


def test_needs_count_both_pools():
    settings = load_settings("2cpu-4gb")
    counted = {(n.scope, n.metric): n.amount for n in needs(settings.node_shape("2cpu-4gb"), settings.load_shape)}
    assert counted["region", "CPUS"] == counted["region", "E2_CPUS"] == counted["project", "CPUS_ALL_REGIONS"] == 20
    assert counted["region", "INSTANCES"] == 9
    assert counted["region", "SSD_TOTAL_GB"] == 180
    assert counted["region", "IN_USE_ADDRESSES"] == 1
    assert Need("NETWORKS", "project", 1) in needs(settings.node_shape("2cpu-4gb"), settings.load_shape)
