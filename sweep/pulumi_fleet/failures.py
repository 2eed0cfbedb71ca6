"""What a failed update means to a sweep: whether to wait for quota, to try again, or to give up."""

import re
from collections.abc import Sequence

from sweep.fleet import FleetError, LastingError, QuotaError

# The preflight's list of what is missing (google_cloud.preflight.problem_report), and one of its lines on quotas.
_PREFLIGHT = re.compile(r"nothing was created, because .* of stack \S+ (?:is|are) not met in project")
_PROBLEM = re.compile(r"^\d+\. (.*)$", re.MULTILINE)
_QUOTA_PROBLEM = re.compile(r"quota \w+ in ")
# Google's own words, where another stack took the quota after the preflight:
# https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability and
# https://cloud.google.com/kubernetes-engine/docs/troubleshooting/creating-clusters
_NO_QUOTA = re.compile(r"quota_exceeded|quota '?[\w-]+'? exceeded|exceeds quota|insufficient \w+ quota", re.IGNORECASE)
# The program says so of settings that it cannot use: stacks.explain.
_SETTING = re.compile(r"^shapebench:[\w.]+ ", re.MULTILINE)
_NO_STACK_UPDATE = "the stack is currently locked"


def failure_of(errors: Sequence[str], printed: str, log: str) -> FleetError:
    """The error for an update that failed with these errors of the engine; `printed` is what it printed besides."""
    text = "\n".join(errors) or _end_of(printed)
    if _NO_STACK_UPDATE in text + printed:
        return FleetError(
            "another update of the stack is running, or was killed and left its lock, so this one was refused; wait"
            f" until it ends, or remove the lock with `pulumi cancel --stack NAME`. All output: {log}"
        )
    said = f"{text}\nAll output: {log}"
    if _PREFLIGHT.search(text):
        problems = _PROBLEM.findall(text)
        only_quota = problems and all(_QUOTA_PROBLEM.match(problem) for problem in problems)
        return QuotaError(said) if only_quota else LastingError(said)
    if _NO_QUOTA.search(text):
        return QuotaError(said)
    return LastingError(said) if _SETTING.search(text) else FleetError(said)


def _end_of(printed: str, lines: int = 10) -> str:
    """The last lines, for an update that ended before the engine could report an error."""
    return "\n".join([line for line in printed.splitlines() if line.strip()][-lines:]) or "Pulumi gave no reason"
