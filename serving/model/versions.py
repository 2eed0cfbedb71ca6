"""Finds the version to serve below a model's base path."""

from pathlib import Path
from typing import NamedTuple

from serving.api.errors import StartError


class ModelVersion(NamedTuple):
    """A version and the folder that holds it."""

    number: int
    folder: Path


def newest_version(base_path: Path) -> ModelVersion:
    """The version with the highest number. Raises StartError where there is none."""
    if not base_path.is_dir():
        raise StartError(f"--model_base_path={base_path} is no folder, so there is nothing to serve; export the model")
    versions = [
        ModelVersion(int(folder.name), folder)
        for folder in base_path.iterdir()
        if folder.name.isdecimal() and (folder / "saved_model.pb").is_file()
    ]
    if not versions:
        raise StartError(
            f"--model_base_path={base_path} holds no model version, so there is nothing to serve; give the folder "
            "above the one that is named 1, 2, … and has a saved_model.pb"
        )
    return max(versions)
