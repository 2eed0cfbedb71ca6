"""`python -m tools.pull_request` is what the workflows run: previews, measurements, and the comments of both."""

import argparse
import json
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from stacks.files import stack_names
from tools.console import SetupError
from tools.pins import ROOT
from tools.pull_request import comment, measured
from tools.pull_request.changed import changed_paths, changed_stacks, measurable_stacks
from tools.pull_request.github import GitHubError, PullRequest
from tools.pull_request.measured import read_measurement
from tools.pull_request.preview import Preview
from tools.pull_request.run import preview


def main() -> int:
    """Run one of the actions; returns the exit status."""
    arguments = _parser().parse_args()
    try:
        match arguments.action:
            case "preview":
                return _preview(arguments.stack, arguments.into)
            case "changed":
                paths = changed_paths(arguments.base, ROOT)
                print(json.dumps(changed_stacks(paths, measurable_stacks())))
            case "measured":
                text = measured.compose(read_measurement(arguments.folder), arguments.stacks, *_commit_and_run())
                _publish(text, measured.MARKER, arguments.number)
            case _:
                text = _compose(arguments.folder, arguments.stacks or stack_names())
                _publish(text, comment.MARKER, getattr(arguments, "number", None))
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
    changed = actions.add_parser("changed", help="print the GKE stacks that differ from a commit, as a JSON list")
    changed.add_argument("--base", required=True, help="the commit that the pull request goes to, such as HEAD^1")
    measurement = actions.add_parser("measured", help="print the comment on a measurement; with --number, publish it")
    measurement.add_argument("folder", type=Path, help="the folder with changes.json and <stack>.json, at any depth")
    measurement.add_argument("stacks", nargs="*", help="the stacks that were to be measured")
    measurement.add_argument("--number", type=int, help="the number of the pull request")
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
    return comment.compose(previews, stacks, *_commit_and_run())


def _commit_and_run() -> tuple[str, str]:
    """The commit of the pull request, and the address of the workflow run."""
    server, repository = os.environ.get("GITHUB_SERVER_URL", "https://github.com"), _variable("GITHUB_REPOSITORY")
    return _variable("PREVIEWED_COMMIT"), f"{server}/{repository}/actions/runs/{_variable('GITHUB_RUN_ID')}"


def _publish(text: str, marker: str, number: int | None) -> None:
    """Print a comment, or put it on a pull request."""
    if number is None:
        print(text)
        return
    api_url = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    repository, token = _variable("GITHUB_REPOSITORY"), _variable("GITHUB_TOKEN")
    print(f"the comment is at {PullRequest(api_url, repository, number, token).put_comment(marker, text)}")


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SetupError(
            f"{name} is not set, so the comment cannot be written; set it as GitHub's runner, or"
            " .github/workflows/preview.yml, does"
        )
    return value


if __name__ == "__main__":
    sys.exit(main())
