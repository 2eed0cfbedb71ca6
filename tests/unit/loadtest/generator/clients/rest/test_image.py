"""What is sent as an upload, and where."""

import json
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from loadtest.generator.clients.protocols import clients
from loadtest.generator.clients.rest.image_request import HEADERS, image_body_of
from loadtest.generator.payload import STRING, Request, Tensor, strings
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody
from loadtest.run.payload import payload_of
from loadtest.run.uploads import as_uploads
from serving.api.upload import uploaded
from stacks.server.models import RESNET50
from tests.unit.loadtest.conftest import RIGHT
from tests.unit.loadtest.plans import write_plan

FILE = b"\xff\xd8 a picture \r\n--x\r\n \xff\xd9"
UPLOAD = Request((Tensor("image", STRING, (1,), STRING, strings([FILE])),))


def test_the_body_is_a_form_with_the_file_as_the_server_and_python_read_it() -> None:
    body = image_body_of(UPLOAD, "serving_default", "m")
    assert uploaded(body, HEADERS["Content-Type"]) == FILE
    (part,) = message_from_bytes(f"Content-Type: {HEADERS['Content-Type']}\r\n\r\n".encode() + body).get_payload()
    assert (part.get_content_type(), part.get_filename()) == ("image/jpeg", "image.jpg")
    assert part.get_param("name", header="Content-Disposition") == "image_file"


def test_resnet50_s_photograph_is_an_upload_of_less_than_23_kb() -> None:
    (request,) = as_uploads(payload_of(RESNET50)).requests
    assert 21_000 < len(image_body_of(request, "serving_default")) < 23_000


@pytest.mark.parametrize(
    "inputs",
    [
        payload_of(RESNET50).requests[0].inputs,
        UPLOAD.inputs * 2,
        (Tensor("image", STRING, (2,), STRING, strings([FILE, FILE])),),
    ],
)
def test_what_is_not_one_file_is_refused(inputs: tuple[Tensor, ...]) -> None:
    with pytest.raises(ValueError, match="not one JPEG file"):
        image_body_of(Request(inputs), "serving_default")


def test_a_client_posts_the_form_to_the_one_path_and_reads_predictions(serve: Any, tmp_path: Path) -> None:
    types = []

    def script(exchange: Any, _: int) -> None:
        types.append(exchange.headers["Content-Type"])
        exchange.answer(RIGHT)

    server = serve(script)
    document = json.loads(write_plan(tmp_path, server.url).read_text()) | {"protocol": "image"}
    body = image_body_of(UPLOAD, "serving_default")
    client = clients(LoadTestPlan.from_json(json.dumps(document)), [RequestBody(body)])()
    answer = client.predict()
    client.close()
    assert (answer.status, answer.error) == (200, None)
    (seen,) = server.seen
    assert (seen.path, seen.body) == ("/predict/image", body)
    assert types == [HEADERS["Content-Type"]]
