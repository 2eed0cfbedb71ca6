"""`python -m tools.pull_request` previews a stack into a file, prints such files, or puts them on a pull request."""

import argparse
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from stacks.files import stack_names
from tools.console import SetupError
from tools.pull_request.comment import MARKER, compose
from tools.pull_request.github import GitHubError, PullRequest
from tools.pull_request.preview import Preview
from tools.pull_request.run import preview


def main() -> int:
    """Run one of the three actions; returns the exit status."""
    arguments = _parser().parse_args()
    try:
        if arguments.action == "preview":
            return _preview(arguments.stack, arguments.into)
        text = _compose(arguments.folder, arguments.stacks or stack_names())
        if arguments.action == "show":
            print(text)
        else:
            api_url = os.environ.get("GITHUB_API_URL", "https://api.github.com")
            repository, token = _variable("GITHUB_REPOSITORY"), _variable("GITHUB_TOKEN")
            address = PullRequest(api_url, repository, arguments.number, token).put_comment(MARKER, text)
            print(f"the comment is at {address}")
    except (SetupError, GitHubError) as error:
        print(f"pull request: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.pull_request", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    one = actions.add_parser("preview", help="preview a stack under the policy pack; fails if the preview fails")
    one.add_argument("stack", choices=stack_names())
    one.add_argument("--into", type=Path, required=True, help="the folder for <stack>.json")
    show = actions.add_parser("show", help="print previews in the form of the comment")
    put = actions.add_parser("comment", help="create or edit the comment; reads GITHUB_TOKEN and a runner's variables")
    for each in (show, put):
        each.add_argument("folder", type=Path, help="the folder with <stack>.json, at any depth")
        each.add_argument("stacks", nargs="*", help="the expected stacks; all by default")
    put.add_argument("--number", type=int, required=True, help="the number of the pull request")
    return parser


def _preview(stack: str, into: Path) -> int:
    found = preview(stack)
    into.mkdir(parents=True, exist_ok=True)
    (into / f"{stack}.json").write_text(found.model_dump_json(indent=2) + "\n")
    for problem in found.problems:
        print(problem, file=sys.stderr)
    return 1 if found.failed else 0


def _compose(folder: Path, stacks: list[str]) -> str:
    # A failed job leaves no file or an incomplete one; the comment then says that its stack has no preview.
    previews = []
    for path in sorted(folder.rglob("*.json")):
        try:
            previews.append(Preview.model_validate_json(path.read_text()))
        except ValidationError as error:
            print(f"{path} is not a preview, so it is left out: {error}", file=sys.stderr)
    server, repository = os.environ.get("GITHUB_SERVER_URL", "https://github.com"), _variable("GITHUB_REPOSITORY")
    run_url = f"{server}/{repository}/actions/runs/{_variable('GITHUB_RUN_ID')}"
    return compose(previews, stacks, _variable("PREVIEWED_COMMIT"), run_url)


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SetupError(
            f"{name} is not set, so there is nothing to comment on; set it as .github/workflows/preview.yml does"
        )
    return value


if __name__ == "__main__":
    sys.exit(main())
