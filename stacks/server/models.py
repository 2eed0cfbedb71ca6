"""The models that a stack can serve, and what is known of each before it is served."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from stacks.frozen import Frozen

# Stack files and the engine have lists.
Shape = Annotated[tuple[int | None, ...], Field(strict=False)]
Range = Annotated[tuple[float, float], Field(strict=False)]
Values = Annotated[tuple[str | int | float, ...], Field(strict=False, min_length=1)]

# The one version that is served: the name of its folder.
VERSION = "1"
# The signature that TensorFlow Serving uses where a request names none.
DEFAULT_SIGNATURE = "serving_default"
# The range of generated values that have no other range: no embedding and no mask refuses these.
GENERATED: Range = (0.0, 1.0)
# How the ends of a range are shown: ids in the millions with all their digits.
_EXACT = ".15g"


class TensorSpec(Frozen):
    """An input or an output of a model. `dtype` is TensorFlow's name of a type; None in `shape` is any size.

    The first dimension is that of the instances.
    """

    name: str
    dtype: str
    shape: Shape

    @property
    def of_one(self) -> tuple[int, ...]:
        """The shape of one instance, or of as many as it must have."""
        return tuple(size or 1 for size in self.shape)


class Model(Frozen):
    """A model. Everything that needs a fact of one asks it here."""

    name: str
    """What it is served under."""
    title: str
    """What people call it."""
    signature: str
    inputs: Annotated[tuple[TensorSpec, ...], Field(strict=False)]
    outputs: Annotated[tuple[TensorSpec, ...], Field(strict=False)]
    payload: Literal["photograph", "generated"]
    """What its requests carry: loadtest.run.payload."""
    ranges: dict[str, Range] = Field(default_factory=dict)
    """The smallest and the largest of generated values, by input."""
    values: dict[str, Values] = Field(default_factory=dict)
    """What generated values are drawn from, by input."""
    files: Annotated[tuple[str, ...], Field(strict=False)]
    """By path below the folder with its name, such as `1/saved_model.pb`."""
    size_bytes: int
    """The size of its files."""
    in_place: str | None = None
    """The URI of the folder above its version where servers on Google Cloud read it; None where it is uploaded."""

    @property
    def bucket(self) -> str | None:
        """The name of the bucket that it is read from in place."""
        return urlsplit(self.in_place).netloc if self.in_place else None

    @property
    def uploaded_bytes(self) -> int:
        """What a stack on Google Cloud stores of it."""
        return 0 if self.in_place else self.size_bytes

    @property
    def requests(self) -> str | None:
        """What is sent, where that is generated: other shapes and ranges are other work for the server."""
        return None if self.payload == "photograph" else "; ".join(map(self._sent, self.inputs))

    def _sent(self, spec: TensorSpec) -> str:
        sent = f"{self.signature} {spec.name} {spec.dtype} {list(spec.of_one)}"
        if chosen := self.values.get(spec.name):
            return f"{sent} of {', '.join(map(repr, chosen))}"
        if spec.dtype == "string":
            return f"{sent} of sentences"
        low, high = self.ranges.get(spec.name, GENERATED)
        return f"{sent} from {low:{_EXACT}} to {high:{_EXACT}}"

    @property
    def least_memory_mib(self) -> int:
        """What a server needs to load it and to answer a few requests."""
        return _SERVER_MIB + self.size_bytes // 2**20

    @property
    def load_limit_s(self) -> int:
        """How long a server may take to load it from a bucket and to answer its warm-up requests."""
        return _LOAD_S + self.size_bytes // _BYTES_A_SECOND


# TensorFlow Serving with an empty model, and room for a few requests.
_SERVER_MIB = 417
# ResNet50 from a bucket, with its warm-up, takes 10 to 60 s on two vCPUs.
_LOAD_S, _BYTES_A_SECOND = 146, 25_000_000


class SignatureSettings(Frozen):
    """What requests to a model use: its signature, and what is sent to each input."""

    signature: Annotated[
        str | None, Field(min_length=1, description="The signature that requests use; serving_default if left out.")
    ] = None
    shapes: Annotated[
        dict[str, list[Annotated[int, Field(ge=1)]]] | None,
        Field(
            description="The shape of one instance of an input, without the dimension of the instances, such as"
            " input_ids: [128]. Needed where the model accepts any size."
        ),
    ] = None
    ranges: Annotated[
        dict[str, Range] | None,
        Field(
            description="The smallest and the largest value that is sent to an input, such as input_ids: [0, 30521]."
            " Without one, whole numbers are 0 or 1, and others are between 0 and 1."
        ),
    ] = None
    values: Annotated[
        dict[str, Values] | None,
        Field(
            description="What the values that are sent to an input are drawn from, such as country: [DE, FR]. Give at"
            " least one; without any, text is a sentence of made-up words."
        ),
    ] = None

    @model_validator(mode="after")
    def _an_input_has_one_source_of_values(self) -> Self:
        if twice := sorted((self.ranges or {}).keys() & (self.values or {}).keys()):
            raise ValueError(f"{twice[0]} is in ranges and in values; give one of them")
        if wrong := [name for name, (low, high) in (self.ranges or {}).items() if low > high]:
            low, high = (self.ranges or {})[wrong[0]]
            raise ValueError(
                f"ranges.{wrong[0]} is {low:{_EXACT}} to {high:{_EXACT}}, which holds no value; give the smaller number"
                " first"
            )
        return self


class ModelSettings(SignatureSettings):
    """`shapebench:model`: the model that is served, ResNet50 or the SavedModel in `path`."""

    weights: Annotated[
        Literal["auto", "imagenet", "random"],
        Field(
            description="Where ResNet50's weights come from: imagenet (Keras downloads them), random (a fixed seed: the"
            " same computation, meaningless answers), or auto (imagenet where it can be downloaded)."
        ),
    ] = "auto"
    path: Annotated[
        str | None,
        Field(
            min_length=1,
            description="The folder of a SavedModel, which has saved_model.pb or version folders, such as models/bert;"
            " a relative one is in the checkout. Or its URI, such as gs://bucket/models/bert. Leave it out for"
            " ResNet50.",
        ),
    ] = None
    name: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
            description="What the model in path is served under: letters, digits, dots, dashes. Leave it out for the"
            " folder's name.",
        ),
    ] = None

    @model_validator(mode="after")
    def _only_another_model_has_these(self) -> Self:
        given = [
            name for name in ("name", "signature", "shapes", "ranges", "values") if getattr(self, name) is not None
        ]
        if self.path is None and given:
            raise ValueError(f"{given[0]} is set, but path is not, so it would change nothing; set path, or remove it")
        if self.path is not None and self.weights != "auto":
            raise ValueError(
                f"weights is {self.weights!r}, but the model in path has weights of its own; remove weights, or remove"
                " path for ResNet50"
            )
        return self


RESNET50 = Model(
    name="resnet",
    title="ResNet50",
    signature=DEFAULT_SIGNATURE,
    inputs=(TensorSpec(name="image_input", dtype="float32", shape=(None, 224, 224, 3)),),
    outputs=(TensorSpec(name="resnet50", dtype="float32", shape=(None, 1000)),),
    payload="photograph",
    # A test compares them with what is exported.
    files=(
        "1/saved_model.pb",
        "1/variables/variables.index",
        "1/variables/variables.data-00000-of-00001",
        "1/assets.extra/tf_serving_warmup_requests",
    ),
    size_bytes=100_000_000,
)
