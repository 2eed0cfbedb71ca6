"""Reads the settings of a sweep from its file and from options, which override the file."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, InitErrorDetails

from analysis.pricing.stack_cost import kept_cost
from stacks.explain import SettingsError, explain
from stacks.files import load_settings, settings_in
from stacks.load.objective import text_of_number
from sweep.axes import Axes, candidates
from sweep.machines import Config, made_stacks
from sweep.prior import StackPrior, priors_of
from sweep.settings import SweepChoices, SweepSettings


class SweepFile(SweepChoices, Axes):
    """A sweep file."""


def read_settings(file: Path | None, options: Mapping[str, Any]) -> SweepSettings:
    """The settings of a sweep. Options are fields of `SweepFile`; raises SettingsError, which names option or key."""
    given = {to_camel(name): value for name, value in options.items()}

    def named(key: str) -> str:
        if file is None or key.partition(".")[0] in given:
            return _option(key)
        return f"{file.name}: {key}" if key else file.name

    stated = _read(file) if file else {}
    if not any(key in given or stated.get(key) for key in ("stacks", "machines")):
        where = f" and {file.name} has no stacks" if file else ""
        missing = (
            f"--stack is not given{where}, so there is nothing to measure; give --stack for each stack, or --machine"
            " with --total-vcpus"
        )
        raise SettingsError("\n".join([missing, *_unknown(stated, named)]))
    try:
        sweep_file = SweepFile.model_validate(stated | given)
    except ValidationError as error:
        raise SettingsError(explain(error, SweepFile, named)) from None
    choices = sweep_file.model_dump(include=set(SweepChoices.model_fields), exclude_unset=True)
    made = _made(sweep_file, named)
    # What is made of machines has no stack to leave out.
    found = candidates(sweep_file, made, (lambda key: named("machines" if key == "stacks" else key)) if made else named)
    on_one_machine = not made and load_settings(found[0].stack).platform == "local"
    priors = _priors(dict.fromkeys(candidate.stack for candidate in found), made) if sweep_file.estimate else {}
    return SweepSettings(candidates=found, on_one_machine=on_one_machine, made=made, priors=priors, **choices)


def _priors(stacks: Iterable[str], made: Mapping[str, Config]) -> dict[str, StackPrior]:
    """What is known of the stacks on GKE, if that tells them apart: of one series it does where all have one CPU."""
    priced = {}
    for stack in stacks:
        settings = settings_in(made[stack]) if stack in made else load_settings(stack)
        shape = settings.node_shape(stack)
        if settings.platform == "gke" and (usd_hourly := kept_cost("gke", shape, settings.region, 0).hourly):
            priced[stack] = shape, usd_hourly
    cpus = {shape.series.name: shape.series.cpus for shape, _ in priced.values()}
    are_distinguishable = len(cpus) > 1 or any(len(cpu_models) == 1 for cpu_models in cpus.values())
    return priors_of(priced) if len(priced) > 1 and are_distinguishable else {}


def _made(sweep_file: SweepFile, named: Callable[[str], str]) -> dict[str, Config]:
    """The stacks that the sweep makes of machine types; raises SettingsError where it is not known what they have."""
    if sweep_file.machines is None:
        if sweep_file.total_vcpus is not None:
            raise SettingsError(
                f"{named('totalVcpus')} is given without {named('machines')}, so it would change nothing; give both, or"
                " leave it out"
            )
        return {}
    if sweep_file.total_vcpus is None:
        raise SettingsError(
            f"{named('machines')} is given without {named('totalVcpus')}, so it is not known how many nodes a stack"
            " has; give the vCPUs of all its nodes together, such as 16"
        )
    if len(sweep_file.stacks) > 1:
        raise SettingsError(
            f"{named('stacks')} names {len(sweep_file.stacks)} stacks, but with {named('machines')} it is the one whose"
            f" other settings all machine types get; give one, and the machine types of the others in"
            f" {named('machines')}"
        )
    return made_stacks(sweep_file.machines, sweep_file.total_vcpus, next(iter(sweep_file.stacks), None), named)


def _unknown(stated: Mapping[str, Any], named: Callable[[str], str]) -> list[str]:
    """A line for each key of a file that is none, such as `stack` for `stacks`."""
    try:
        SweepFile.model_validate(stated)
    except ValidationError as error:
        unknown = [detail for detail in error.errors() if detail["type"] == "extra_forbidden"]
        only = ValidationError.from_exception_data(SweepFile.__name__, [_of(detail) for detail in unknown])
        return explain(only, SweepFile, named).splitlines()
    return []


def _of(details: ErrorDetails) -> InitErrorDetails:
    return InitErrorDetails(type=details["type"], loc=details["loc"], input=details["input"])


def read_limits(limits: Mapping[str, Any]) -> None:
    """Raise SettingsError, which names the option, where a limit is no limit."""
    try:
        SweepChoices.model_validate({to_camel(name): value for name, value in limits.items()})
    except ValidationError as error:
        raise SettingsError(explain(error, SweepChoices, _option)) from None


def _option(key: str) -> str:
    """The option of a key, such as `--max-usd` of `maxUsd`. The load has none."""
    first = key.partition(".")[0]
    if first == "load":
        return f"{key} in a sweep file"
    name = {"stacks": "stack", "machines": "machine", "objectives": "p99"}.get(first, key)
    return "--" + "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)


def _read(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"the sweep file {file} cannot be read ({error.strerror}), so nothing was measured; give another --file"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SettingsError(
            f"the sweep file {file} is not YAML{place}, so nothing was measured; write lines such as `stacks: [local]`"
        ) from None
    if not isinstance(found, dict):
        raise SettingsError(
            f"the sweep file {file} has no keys, so nothing was measured; write lines such as `stacks: [local]`"
        )
    # A journal has the share as a number; who types one is asked whether it is a percentage.
    return {str(key): text_of_number(value) if key == "within" else value for key, value in found.items()}
