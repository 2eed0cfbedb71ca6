import pytest


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output of a command is not broken into lines, whatever starts the tests."""
    monkeypatch.delenv("COLUMNS", raising=False)
