from importlib.metadata import PackageNotFoundError

import pytest

from tests.support.images.packages import entries_of, record_of, with_requirements


def names(*wanted: str) -> set[str]:
    return {one.metadata["Name"].lower().replace("_", "-") for one in with_requirements(wanted)}


def test_a_package_comes_with_its_direct_and_indirect_requirements():
    assert names("locust") >= {"locust", "gevent", "greenlet", "flask", "jinja2", "markupsafe"}


def test_a_package_comes_with_nothing_but_its_requirements():
    assert names("protobuf") == {"protobuf"}
    assert "tensorflow" not in names("locust", "grpcio", "protobuf")


def test_a_package_that_is_not_installed_is_an_error_with_its_name():
    with pytest.raises(PackageNotFoundError, match="no-such-package"):
        with_requirements(["no-such-package"])


def test_modules_and_data_are_packed_and_commands_are_not():
    (one,) = (one for one in with_requirements(["locust"]) if one.metadata["Name"] == "locust")
    found = {entry.name for entry in entries_of(one)}
    below = "site-packages/locust/"
    assert any(name.endswith(f"{below}main.py") for name in found)
    assert any(f"{below}__pycache__/main." in name for name in found), "compiled, so that a container starts quickly"
    assert any(name.endswith("METADATA") for name in found)
    assert all("/site-packages/" in name for name in found)


def test_records_of_different_packages_differ():
    one, other = (with_requirements([name])[0] for name in ("protobuf", "grpcio"))
    assert record_of(one) != record_of(other) != ""
