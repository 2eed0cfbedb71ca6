"""Writes an upload as the form of `POST /predict/image`. Standard library only.

The generator's image has nothing that encodes JPEG, so a payload for this protocol has the files: loadtest.run.uploads.
The field has the name of the published FastAPI experiment's: locust/locust.py in
github.com/sayakpaul/ml-deployment-k8s-fastapi.
"""

from loadtest.generator.payload import STRING, Request

# Long, so that no JPEG has it by chance.
_BOUNDARY = "shapebench-5b8e1f0c64d94a7bb1d2c8f3a7e09d46"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
_HEAD = (
    f"--{_BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="image_file"; filename="image.jpg"\r\n'
    "Content-Type: image/jpeg\r\n\r\n"
).encode()
_END = f"\r\n--{_BOUNDARY}--\r\n".encode()


def image_body_of(request: Request, _signature: str, _model_name: str = "") -> bytes:
    """The body with the one file of a request; raises ValueError where it has something else."""
    if len(request.inputs) != 1 or request.inputs[0].stored != STRING or request.inputs[0].shape != (1,):
        raise ValueError("cannot be sent this request as an upload, because it is not one JPEG file")
    return b"".join((_HEAD, *request.inputs[0].values, _END))
