"""Which settings of a model go together."""

from typing import Any

import pytest

from stacks.explain import SettingsError
from stacks.files import load_settings
from stacks.server.models import RESNET50
from stacks.settings import Settings, parse_settings


def settings_with(**model: Any) -> Settings:
    return parse_settings(load_settings("local").model_dump(by_alias=True, exclude_none=True) | {"model": model})


def test_the_default_is_resnet50() -> None:
    assert load_settings("local").model.path is None
    assert load_settings("local").model.weights == "auto"


def test_ranges_and_shapes_are_read_as_stack_files_have_them() -> None:
    model = settings_with(path="bert", shapes={"ids": [128]}, ranges={"ids": [0, 30521]}).model
    assert (model.shapes, model.ranges) == ({"ids": [128]}, {"ids": (0, 30521)})


def test_a_range_of_ids_in_the_millions_is_described_with_all_digits() -> None:
    model = RESNET50.model_copy(update={"payload": "generated", "ranges": {"image_input": (0, 1_299_999)}})
    assert model.requests == "serving_default image_input float32 [1, 224, 224, 3] from 0 to 1299999"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"name": "cats"}, "shapebench:model: name is set, but path is not"),
        ({"shapes": {"ids": [128]}}, "shapebench:model: shapes is set, but path is not"),
        ({"path": "cats", "weights": "random"}, "weights is 'random', but the model in path has weights of its own"),
        ({"path": "cats", "name": "my cats"}, "shapebench:model.name is 'my cats', which is "),
        ({"path": "cats", "shapes": {"ids": [0]}}, "shapebench:model.shapes"),
        ({"path": "cats", "ranges": {"ids": [0]}}, "shapebench:model.ranges"),
        ({"path": "cats", "ranges": {"ids": [2, 1]}}, "ranges.ids is 2 to 1"),
        ({"path": "cats", "ranges": {"ids": [1_300_000, 1_299_999]}}, "ranges.ids is 1300000 to 1299999"),
        ({"folder": "cats"}, "shapebench:model.folder is not a setting"),
    ],
)
def test_a_wrong_setting_is_named(model: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings_with(**model)
