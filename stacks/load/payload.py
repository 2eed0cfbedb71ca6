"""What requests carry and how answers are judged, as a stack file says it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stacks.frozen import Frozen


class PayloadSettings(Frozen):
    """`shapebench:payload`: recorded requests in place of generated ones, and the check of answers."""

    path: Annotated[
        str | None,
        Field(
            min_length=1,
            description="A file with recorded requests (.jsonl, .json, .npy, .npz) or a folder of images, such as"
            " requests.jsonl; a relative one is in the folder of Pulumi.yaml. Leave it out for generated requests.",
        ),
    ] = None
    check: Annotated[
        Literal["values", "shape", "off"],
        Field(
            description="How an answer is judged: values (as the first answer to the same request), shape (outputs,"
            " types and shapes, for a model that answers differently each time), or off (by its status alone)."
        ),
    ] = "values"
    tolerance: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="How much a number of an answer may differ from the first one, as a share of the largest number"
            " of its output. Give 0 for none, or less than 1.",
        ),
    ] = 1e-3

    @model_validator(mode="after")
    def _only_values_have_a_tolerance(self) -> Self:
        if "tolerance" in self.model_fields_set and self.check != "values":
            raise ValueError(
                f"tolerance is set, but check is {self.check!r}, so it would change nothing; set check to values, or"
                " remove tolerance"
            )
        return self
