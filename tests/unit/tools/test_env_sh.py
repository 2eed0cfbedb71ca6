import fcntl
import json
import os
import pty
import shutil
import stat
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from tests.support.scripts import write_script

# `sh` is dash on Debian; `bash` and `zsh` are taken where they are installed.
SHELLS = [shell for shell in ("sh", "bash", "zsh") if shutil.which(shell)]
pytestmark = pytest.mark.parametrize("shell", SHELLS)


def source(shell: str, checkout: Path, at: Path | None = None, script: str = ". tools/env.sh", **variables: str):
    """The environment after sourcing, from an empty home and no variables but `variables`."""
    home = checkout.parent / "home"
    home.mkdir(exist_ok=True)
    outcome = subprocess.run(
        [shutil.which(shell) or shell, "-euc", f"{script} && env -0"],
        cwd=at or checkout,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(pair.split("=", 1) for pair in outcome.stdout.split("\0") if pair)


def log_in(checkout: Path, current: str, folder: str = "home/.pulumi") -> Path:
    credentials = checkout.parent / folder / "credentials.json"
    credentials.parent.mkdir(parents=True, exist_ok=True)
    credentials.write_text(json.dumps({"current": current, "accounts": {}}, indent=4))
    return credentials.parent


@pytest.mark.parametrize("is_there", [False, True])
def test_only_the_owner_can_read_the_state(shell: str, checkout: Path, *, is_there: bool):
    state = checkout / ".state"
    if is_there:
        state.mkdir(mode=0o755)
    source(shell, checkout)
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_without_a_choice_of_backend_the_state_is_in_the_checkout(shell: str, checkout: Path):
    environment = source(shell, checkout)
    assert environment["PULUMI_BACKEND_URL"] == f"file://{checkout}/.state"
    assert environment["PULUMI_CONFIG_PASSPHRASE"] == ""
    assert (checkout / ".state").is_dir()
    assert environment["PATH"] == f"{checkout}/.tools/bin:{checkout}/.venv/bin:/usr/bin:/bin"


def test_a_chosen_backend_is_kept_and_no_passphrase_is_set_for_it(shell: str, checkout: Path):
    environment = source(shell, checkout, PULUMI_BACKEND_URL="s3://theirs")
    assert environment["PULUMI_BACKEND_URL"] == "s3://theirs"
    assert "PULUMI_CONFIG_PASSPHRASE" not in environment
    assert not (checkout / ".state").exists()


def test_an_access_token_is_a_choice_of_backend(shell: str, checkout: Path):
    environment = source(shell, checkout, PULUMI_ACCESS_TOKEN="token")
    assert "PULUMI_BACKEND_URL" not in environment
    assert "PULUMI_CONFIG_PASSPHRASE" not in environment


def test_a_login_is_a_choice_of_backend(shell: str, checkout: Path):
    log_in(checkout, "https://api.pulumi.com")
    assert "PULUMI_BACKEND_URL" not in source(shell, checkout)


def test_a_login_in_another_pulumi_home_is_a_choice_of_backend(shell: str, checkout: Path):
    home = log_in(checkout, "https://api.pulumi.com", "elsewhere")
    assert "PULUMI_BACKEND_URL" not in source(shell, checkout, PULUMI_HOME=str(home))


def test_credentials_after_a_logout_are_no_choice_of_backend(shell: str, checkout: Path):
    log_in(checkout, "")
    assert source(shell, checkout)["PULUMI_BACKEND_URL"] == f"file://{checkout}/.state"


def test_a_passphrase_of_the_users_own_is_kept(shell: str, checkout: Path):
    assert source(shell, checkout, PULUMI_CONFIG_PASSPHRASE="theirs")["PULUMI_CONFIG_PASSPHRASE"] == "theirs"


def test_with_a_passphrase_file_of_the_users_own_no_passphrase_is_set(shell: str, checkout: Path):
    environment = source(shell, checkout, PULUMI_CONFIG_PASSPHRASE_FILE="/their/file")
    assert "PULUMI_CONFIG_PASSPHRASE" not in environment


CHOOSE_LATER = ". tools/env.sh && export PULUMI_BACKEND_URL=s3://theirs {} && . tools/env.sh"


def test_a_backend_that_is_chosen_later_does_not_get_the_empty_passphrase(shell: str, checkout: Path):
    environment = source(shell, checkout, script=CHOOSE_LATER.format(""))
    assert environment["PULUMI_BACKEND_URL"] == "s3://theirs"
    assert "PULUMI_CONFIG_PASSPHRASE" not in environment


def test_a_passphrase_that_is_chosen_later_is_kept(shell: str, checkout: Path):
    environment = source(shell, checkout, script=CHOOSE_LATER.format("PULUMI_CONFIG_PASSPHRASE=theirs"))
    assert environment["PULUMI_CONFIG_PASSPHRASE"] == "theirs"


def test_an_empty_passphrase_of_the_users_own_is_kept(shell: str, checkout: Path):
    chosen = CHOOSE_LATER.format("") + " && export PULUMI_CONFIG_PASSPHRASE= && . tools/env.sh && . tools/env.sh"
    assert source(shell, checkout, script=chosen)["PULUMI_CONFIG_PASSPHRASE"] == ""


def test_sourcing_it_twice_changes_nothing_more(shell: str, checkout: Path):
    assert source(shell, checkout) == source(shell, checkout, script=". tools/env.sh && . tools/env.sh")


def test_sourced_from_a_subfolder_it_finds_its_checkout(shell: str, checkout: Path):
    below = checkout / "stacks" / "deeper"
    below.mkdir(parents=True)
    environment = source(shell, checkout, at=below, script=". ../../tools/env.sh")
    assert environment["SHAPEBENCH_EMBEDDED_BACKEND"] == f"file://{checkout}/.state"


def test_the_embedded_backend_of_another_checkout_is_replaced(shell: str, checkout: Path, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(checkout, other)
    first = source(shell, checkout)
    second = source(shell, other, **{key: first[key] for key in first if "BACKEND" in key})
    assert second["PULUMI_BACKEND_URL"] == f"file://{other}/.state"


def test_sourced_outside_a_checkout_it_fails_and_changes_nothing(shell: str, checkout: Path, tmp_path: Path):
    if shell != "sh":
        pytest.skip("this shell knows where the sourced file lies")
    script = f"set +e; . '{checkout}/tools/env.sh' 2>/dev/null; [ $? = 1 ]"
    assert "PULUMI_BACKEND_URL" not in source(shell, checkout, at=tmp_path, script=script)


def test_run_as_a_program_it_says_that_it_must_be_sourced(shell: str, checkout: Path):
    run = [shutil.which(shell) or shell, "tools/env.sh"]
    outcome = subprocess.run(run, cwd=checkout, capture_output=True, text=True, check=False)
    assert outcome.returncode == 1
    assert outcome.stdout == ""
    assert outcome.stderr.endswith("type: . tools/env.sh\n")
    assert len(outcome.stderr.splitlines()) == 1
    assert not (checkout / ".state").exists()


def test_a_script_may_source_it_whatever_its_name(shell: str, checkout: Path):
    for name in ("run", "env.sh"):
        (checkout / name).write_text(". tools/env.sh && env -0\n")
        run = [shutil.which(shell) or shell, name]
        printed = subprocess.run(run, cwd=checkout, capture_output=True, text=True, check=True).stdout
        assert f"SHAPEBENCH_EMBEDDED_BACKEND=file://{checkout}/.state" in printed


SALT = "encryptionsalt: v1:zg6STAqxsnc=:v1:8RIaZc56wk40cSoG:Wgmq36PYs6Su\n"
SETTINGS = "config:\n  # Why it is so.\n  shapebench:platform: local\n"
RUN_PULUMI = ". tools/env.sh && pulumi up --stack local"


def pulumi_that_writes(checkout: Path, text: str) -> Path:
    """Install a stand-in for Pulumi that appends to the stack's file; returns that file."""
    stack_file = checkout / "stacks/Pulumi.local.yaml"
    stack_file.parent.mkdir()
    stack_file.write_text(SETTINGS)
    write_script(
        checkout / ".tools/bin/pulumi", f"printf '%s' '{text}' >> stacks/Pulumi.local.yaml\necho \"$@\" > called"
    )
    return stack_file


def test_a_salt_that_pulumi_writes_into_a_stack_file_is_removed(shell: str, checkout: Path):
    stack_file = pulumi_that_writes(checkout, SALT)
    environment = source(shell, checkout, script=RUN_PULUMI)
    assert (checkout / "called").read_text() == "up --stack local\n"
    assert stack_file.read_text() == SETTINGS
    assert environment["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] == "true", "so that Pulumi finds it in the state"
    assert list(stack_file.parent.iterdir()) == [stack_file]


def test_a_setting_that_pulumi_writes_beside_the_salt_stays(shell: str, checkout: Path):
    stack_file = pulumi_that_writes(checkout, "  shapebench:rerun: again\n" + SALT)
    source(shell, checkout, script=RUN_PULUMI)
    assert stack_file.read_text() == SETTINGS + "  shapebench:rerun: again\n"


def test_a_salt_stays_where_secrets_need_it(shell: str, checkout: Path):
    secret = "  shapebench:token:\n    secure: v1:abc\n"
    stack_file = pulumi_that_writes(checkout, secret + SALT)
    source(shell, checkout, script=RUN_PULUMI)
    assert stack_file.read_text() == SETTINGS + secret + SALT


def test_a_salt_is_removed_with_a_backend_of_the_users_own_too(shell: str, checkout: Path):
    stack_file = pulumi_that_writes(checkout, SALT)
    environment = source(shell, checkout, script=RUN_PULUMI, PULUMI_BACKEND_URL="s3://theirs")
    assert stack_file.read_text() == SETTINGS
    assert environment["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] == "true"


def test_pulumis_exit_status_is_kept(shell: str, checkout: Path):
    pulumi_that_writes(checkout, SALT)
    write_script(checkout / ".tools/bin/pulumi", "exit 3")
    script = "set +e; . tools/env.sh; pulumi up; export STATUS=$?"
    assert source(shell, checkout, script=script)["STATUS"] == "3"


def test_a_stack_that_is_not_there_is_answered_with_the_command_that_creates_it(shell: str, checkout: Path):
    pulumi_that_writes(checkout, "")
    (checkout / "stacks/Pulumi.8cpu-16gb.yaml").touch()
    write_script(checkout / ".tools/bin/pulumi", "exit 6")
    script = "set +e; . tools/env.sh; pulumi up 2> said; export STATUS=$?"
    assert source(shell, checkout, script=script)["STATUS"] == "6"
    said = (checkout / "said").read_text()
    assert "`pulumi stack init NAME`" in said
    assert said.endswith(" NAME is one of 8cpu-16gb local\n")


def typed_at(columns: int, shell: str, checkout: Path, command: str) -> str:
    """What a command prints on a terminal of so many columns, with a `pulumi` that prints its arguments."""
    programs = checkout / ".tools/bin"
    programs.mkdir(parents=True, exist_ok=True)
    write_script(programs / "pulumi", 'echo "ran $*"')
    pid, terminal = pty.fork()
    if pid == 0:
        # The size is set from the other end, which the shell waits for.
        os.chdir(checkout)
        script = f"read -r _; . tools/env.sh; {command}"
        os.execve(
            shutil.which(shell) or shell, [shell, "-euc", script], {"PATH": "/usr/bin:/bin", "HOME": str(checkout)}
        )
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.write(terminal, b"\n")
    printed = b""
    try:
        while chunk := os.read(terminal, 4096):
            printed += chunk
    except OSError:  # the end of a terminal
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    return printed.decode()


def test_a_narrow_terminal_is_told_how_an_update_shows_its_progress(shell: str, checkout: Path):
    printed = typed_at(80, shell, checkout, "pulumi up --stack local")
    assert "a terminal of 80 columns cuts off; give it 120, or add --yes --non-interactive" in printed
    assert printed.endswith("ran up --stack local\r\n")


@pytest.mark.parametrize(
    ("columns", "command"), [(120, "pulumi up"), (80, "pulumi preview"), (80, "pulumi up | cat"), (80, "pulumi")]
)
def test_nothing_is_said_where_no_progress_is_cut(shell: str, checkout: Path, columns: int, command: str):
    printed = typed_at(columns, shell, checkout, command)
    assert "shapebench:" not in printed
    assert "ran" in printed
