"""`shapebench:kubernetes`: what is refused, and why."""

import pytest

from stacks.explain import SettingsError
from stacks.files import load_settings, project_defaults
from stacks.settings import parse_settings

STACK = {
    "platform": "kubernetes",
    "shape": {"machineType": "e2-custom-2-4096", "nodes": 2},
    "serving": {"protocol": "rest", "interOp": 2},
    "load": {"profile": "smoke"},
}
CLUSTER = {"servingImage": "a:1", "modelUri": "/models/{digest}/resnet"}


def parse(**changes: object):
    return parse_settings(project_defaults() | STACK | {"kubernetes": CLUSTER | changes}).kubernetes


def test_the_checked_in_stack_parses():
    assert load_settings("kubernetes").kubernetes.one_a_node


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"servingImage": "tensorflow/serving:latest"}, "has no exact version"),
        ({"modelUri": "/models/resnet"}, "so the server could load another model than the one that the run records"),
        ({"modelUri": "models/{digest}"}, "an absolute path in its image"),
        ({"serviceAccountAnnotations": {}}, "have no effect while modelUri"),
        ({"namespace": "Not_A_Label"}, "lower-case letters"),
        ({"pod": {"cpuMillis": 0, "memoryMib": 1024}}, "With less than 100 millicores the server hardly answers"),
        ({"context": ""}, "Leave it out for the current context"),
        ({"image": "a:1"}, "is not a setting"),
    ],
)
def test_a_wrong_value_names_key_and_fix(changes, says):
    with pytest.raises(SettingsError) as caught:
        parse(**changes)
    assert str(caught.value).startswith("shapebench:kubernetes")
    assert says in str(caught.value)


def test_a_bucket_is_told_by_its_scheme():
    assert parse(modelUri="gs://b/{digest}/resnet", serviceAccountAnnotations={"a": "b"}).on_bucket
    assert not parse().on_bucket
