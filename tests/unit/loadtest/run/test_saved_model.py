"""What is read of a SavedModel is what TensorFlow wrote and would load."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from loadtest.run.saved_model import _OTHER_TYPES, _TYPES, model_of, problems_of, signatures_of, stamp_of
from loadtest.run.signature import DeclaredTensor
from stacks.explain import SettingsError
from stacks.server.models import RESNET50, ModelSettings, TensorSpec

Saved = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """Save a model whose signatures take these tensors; returns the folder of saved_model.pb."""

    def save(*specs: tf.TensorSpec, under: str = "mine", signature: str = "serving_default", **more: Any) -> Path:
        module = tf.Module()
        module.table = tf.Variable(tf.ones((4, 2)))

        def sums(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            total = tf.add_n([tf.reduce_sum(tf.cast(tensor, tf.float32)) for tensor in inputs])
            return {"sum": total + module.table, "count": tf.ones((2,), tf.int64)}

        called = tf.function(sums, input_signature=specs)
        folder = tmp_path / under
        tf.saved_model.save(module, str(folder), signatures={signature: called, **more})
        return folder

    return save


def settings(path: Path | str, **values: Any) -> ModelSettings:
    return ModelSettings.model_validate({"path": str(path)} | values)


def read(path: Path | str, **values: Any) -> Any:
    return model_of(settings(path, **values), Path("/nowhere"))


def image(*shape: int | None) -> tf.TensorSpec:
    return tf.TensorSpec(shape, tf.float32, "image")


IDS, MASK = tf.TensorSpec((None, None), tf.int32, "ids"), tf.TensorSpec((None, 8), tf.bool, "mask")


def test_without_a_path_it_is_resnet50() -> None:
    assert model_of(ModelSettings(), Path("/nowhere")) is RESNET50


def test_inputs_and_outputs_are_those_of_the_signature(saved: Saved) -> None:
    model = read(saved(IDS, MASK), shapes={"ids": [16]})
    assert model.inputs == (
        TensorSpec(name="ids", dtype="int32", shape=(None, 16)),
        TensorSpec(name="mask", dtype="bool", shape=(None, 8)),
    )
    assert model.outputs == (
        TensorSpec(name="count", dtype="int64", shape=(2,)),
        TensorSpec(name="sum", dtype="float32", shape=(4, 2)),
    )
    assert (model.name, model.signature, model.payload) == ("mine", "serving_default", "generated")


def test_all_files_are_named_below_the_version_that_is_served(saved: Saved) -> None:
    folder = saved(image(None, 4))
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets/vocabulary.txt").write_text("words")
    model = read(folder)
    assert model.files == tuple(sorted(f"1/{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_file()))
    assert "1/assets/vocabulary.txt" in model.files
    assert model.size_bytes == sum((folder / file[2:]).stat().st_size for file in model.files)


def test_of_version_folders_the_highest_is_served_as_servers_do(saved: Saved) -> None:
    for version, size in ((2, 3), (10, 5), (9, 4)):
        saved(image(None, size), under=f"models/cats/{version}")
    model = read(saved(image(None, 1), under="other").parent / "models/cats")
    assert model.inputs[0].shape == (None, 5)
    assert model.name == "cats"


def test_name_and_signature_can_be_given(saved: Saved) -> None:
    other = tf.function(lambda pixels: {"out": pixels}, input_signature=[tf.TensorSpec((7, 2), tf.float64, "pixels")])
    folder = saved(image(None, 4), other=other)
    model = read(folder, signature="other", name="renamed")
    assert (model.name, model.signature) == ("renamed", "other")
    assert model.inputs == (TensorSpec(name="pixels", dtype="float64", shape=(7, 2)),)


def test_a_name_that_a_server_would_not_take_is_changed(saved: Saved) -> None:
    assert read(saved(image(None, 4), under="my cats (é)")).name == "my-cats----"


def test_a_larger_model_needs_more_memory_and_time(saved: Saved) -> None:
    small = read(saved(image(None, 4)))
    large = small.model_copy(update={"size_bytes": 2 * 2**30})
    assert small.least_memory_mib < RESNET50.least_memory_mib == 512
    assert large.least_memory_mib == small.least_memory_mib + 2048
    assert RESNET50.load_limit_s == 150
    assert large.load_limit_s == 146 + 85


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {},
            r"the model's input 'ids' takes \[\?\] for an instance, .*set shapebench:model.shapes.ids, such as \[128\]",
        ),
        ({"shapes": {"ids": [2, 2]}}, r"shapebench:model.shapes.ids is \[2, 2\], but the model takes \[\?\] there"),
        ({"shapes": {"ids": [2], "mask": [9]}}, r"shapebench:model.shapes.mask is \[9\], but the model takes \[8\]"),
        ({"shapes": {"ids": [2], "idz": [2]}}, r"shapes has 'idz', but .* no such input; its inputs are ids, mask"),
        ({"shapes": {"ids": [2]}, "ranges": {"x": [0, 1]}}, r"ranges has 'x', but .* no such input"),
        ({"signature": "other"}, r"no signature 'other' with inputs, .* to one of serving_default, or save"),
        ({"shapes": {"ids": [4]}, "values": {"ids": [1.5]}}, r"values\.ids has 1\.5, but the model takes int32 there"),
        ({"shapes": {"ids": [4]}, "values": {"other": [1]}}, "has 'other', but the model has no such input"),
        (
            {"shapes": {"ids": [4]}, "ranges": {"ids": [0, 2**31]}},
            "ranges.ids has a number that int32, which the model",
        ),
    ],
)
def test_settings_that_do_not_fit_the_model_are_one_error(saved: Saved, values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read(saved(IDS, MASK), **values)


@pytest.mark.parametrize("lost", ["variables.data-00001-of-00002", "variables.index"])
def test_a_model_without_one_of_its_files_of_variables_is_refused(saved: Saved, lost: str) -> None:
    folder = saved(image(None, 4))
    (part,) = folder.glob("variables/variables.data-*")
    for number in range(2):
        (folder / f"variables/variables.data-{number:05}-of-00002").write_bytes(part.read_bytes())
    part.unlink()
    read(folder)
    (folder / "variables" / lost).unlink()
    with pytest.raises(SettingsError, match=rf"has no file {lost} among its variables, so no server can load it"):
        read(folder)


def test_text_is_an_input_like_another(saved: Saved) -> None:
    signature = tf.function(lambda text: {"same": text}, input_signature=[tf.TensorSpec((None,), tf.string, "text")])
    model = read(saved(IDS, signature="other", serving_default=signature), values={"text": ["a", "b"]})
    assert (*model.inputs, *model.outputs) == (
        TensorSpec(name="text", dtype="string", shape=(None,)),
        TensorSpec(name="same", dtype="string", shape=(None,)),
    )
    assert model.requests == "serving_default text string [1] of 'a', 'b'"
    with pytest.raises(
        SettingsError, match=r"ranges\.text is a range of numbers, but the model takes text there; give"
    ):
        read(saved(IDS, signature="other", serving_default=signature), ranges={"text": [0, 1]})


HALVES = [tf.TensorSpec((None, 2), tf.float16, "half"), tf.TensorSpec((None,), tf.bfloat16, "brain")]


def test_half_precision_is_an_input_like_another_over_grpc(saved: Saved) -> None:
    folder = saved(*HALVES)
    model = model_of(settings(folder), Path("/nowhere"), protocol="grpc")
    assert model.inputs == (
        TensorSpec(name="brain", dtype="bfloat16", shape=(None,)),
        TensorSpec(name="half", dtype="float16", shape=(None, 2)),
    )
    assert (
        model.requests
        == "serving_default brain bfloat16 [1] from 0 to 1; serving_default half float16 [1, 2] from 0 to 1"
    )


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.uint16])
def test_what_rest_does_not_carry_is_refused_over_rest_alone(saved: Saved, dtype: tf.DType) -> None:
    def answer(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"out": tf.cast(pixels, dtype)}

    signature = tf.function(answer, input_signature=[tf.TensorSpec((None, 4), tf.float32, "pixels")])
    folder = saved(image(None, 4), signature="other", serving_default=signature)
    said = rf"can carry no values of out \({dtype.name}\); set shapebench:serving.protocol to grpc"
    with pytest.raises(SettingsError, match=said):
        read(folder)
    assert model_of(settings(folder), Path("/nowhere"), protocol="grpc").outputs[0].dtype == dtype.name
    (problem,) = problems_of(settings(folder), Path("/nowhere"))
    assert "REST" in problem


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ranges": {"half": [0, 65520]}}, "ranges.half has a number that float16, which the model takes, does not"),
        ({"values": {"brain": [1, 3.4e38]}}, "values.brain has a number that bfloat16, which the model takes"),
    ],
)
def test_a_number_that_the_type_of_an_input_does_not_hold_is_one_error(
    saved: Saved, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        model_of(settings(saved(*HALVES), **values), Path("/nowhere"), protocol="grpc")
    model_of(settings(saved(*HALVES), ranges={"half": [0, 65504]}), Path("/nowhere"), protocol="grpc")


def test_sizes_that_recorded_requests_say_need_no_setting(saved: Saved) -> None:
    model = model_of(settings(saved(IDS, MASK)), Path("/nowhere"), is_recorded=True)
    assert [tensor.shape for tensor in model.inputs] == [(None, None), (None, 8)]


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        ([tf.TensorSpec((None,), tf.complex64, "text")], "the model's input 'text' has type complex64"),
        ([tf.TensorSpec((), tf.float32, "one")], "the model's input 'one' is a single value without a dimension"),
        ([tf.TensorSpec(None, tf.float32, "any")], "the model's input 'any' takes any shape for an instance"),
        (
            [image(2, 3), tf.TensorSpec((3, 3), tf.float32, "b")],
            r"different first dimensions \(b \[3, 3\], image \[2, 3\]",
        ),
    ],
)
def test_a_model_that_cannot_be_sent_to_is_one_error(saved: Saved, specs: list[tf.TensorSpec], said: str) -> None:
    def nothing(*_: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"out": tf.ones((1, 1))}

    signature = tf.function(nothing, input_signature=specs)
    with pytest.raises(SettingsError, match=said):
        read(saved(image(None, 4), signature="other", serving_default=signature))


def test_all_that_a_model_lacks_is_said_at_once(saved: Saved) -> None:
    folder = saved(IDS, tf.TensorSpec((None, None), tf.complex64, "kinds"))
    found = problems_of(settings(folder, shapes={"idz": [2]}), Path("/nowhere"))
    for said in ("'ids' takes [?]", "'kinds' takes [?]", "'kinds' has type complex64", "shapes has 'idz'"):
        assert [said in problem for problem in found].count(True) == 1
    with pytest.raises(SettingsError) as raised:
        read(folder, shapes={"idz": [2]})
    assert str(raised.value).splitlines() == found


def test_a_model_that_lacks_nothing_has_no_problems(saved: Saved) -> None:
    assert problems_of(settings(saved(image(None, 4))), Path("/nowhere")) == []
    assert problems_of(ModelSettings(), Path("/nowhere")) == []


def test_signatures_are_shown_as_tensorflow_wrote_them(saved: Saved) -> None:
    specs = [IDS, tf.TensorSpec(None, tf.string, "any"), tf.TensorSpec((), tf.float16, "one")]
    other = tf.function(lambda *_: {"out": tf.ones((1, 1))}, input_signature=specs)
    signatures = signatures_of(saved(image(None, 4), other=other))
    assert signatures.keys() == {"serving_default", "other"}
    assert signatures["other"].inputs == (
        DeclaredTensor("any", "string", None),
        DeclaredTensor("ids", "int32", (None, None)),
        DeclaredTensor("one", "float16", ()),
    )
    assert signatures["other"].outputs == (DeclaredTensor("out", "float32", (1, 1)),)
    assert [tensor.shape_text for tensor in signatures["other"].inputs] == ["any shape", "[?, ?]", "[]"]


def test_types_have_the_names_that_tensorflow_gives_their_numbers() -> None:
    for number, name in (_OTHER_TYPES | _TYPES).items():
        assert tf.dtypes.as_dtype(number).name == name


def test_a_folder_without_a_model_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"model.path is '.*/none', but .*/none does not exist"):
        read(tmp_path / "none")
    with pytest.raises(SettingsError, match=r"has neither saved_model.pb nor version folders with it"):
        read(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"file is not a folder, so there is nothing to serve"):
        read(tmp_path / "file")
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(SettingsError, match=r"saved_model.pb cannot be read"):
        read(tmp_path)


def test_a_relative_path_is_in_the_checkout(saved: Saved) -> None:
    folder = saved(image(None, 4))
    assert model_of(settings(folder.name), folder.parent) == read(folder)


def test_the_stamp_changes_with_a_file_and_only_then(saved: Saved) -> None:
    folder = saved(image(None, 4))
    before = stamp_of(folder)
    assert stamp_of(folder) == before
    (folder / "assets/new.txt").write_text("words")
    assert stamp_of(folder) != before
