"""`shapebench init`: writes a stack file for a model, from at most five answers."""

import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import typer
import yaml

from analysis.pricing.stack_cost import kept_cost
from loadtest.run.payload import sent
from loadtest.run.pod import payload_parts
from loadtest.run.saved_model import model_of
from shapebench.commands.prices.price import Priced, require_prices
from shapebench.commands.setup.model import Shown, in_checkout, read_model, yaml_lines
from shapebench.output import CommandError, note, print_code, print_text
from stacks.allocatable import stack_pod_resources
from stacks.explain import SettingsError
from stacks.files import project_defaults, settings_in, stack_file
from stacks.load.objective import QUANTILES
from stacks.load.payload import PayloadSettings
from stacks.machines.machine_series import UnknownMachineTypeError
from stacks.machines.shapes import shape_name
from stacks.new_stack import DEFAULT_ZONE, new_config, zone_config
from stacks.server.models import RESNET50
from stacks.server.protocols import REST
from tools.console import SetupError
from tools.new_file import write_new_file
from tools.pins import ROOT
from tools.stack import create_stack

_RESNET50, _GENERATED = "resnet50", "generated"
# Where the answer names no nodes. One machine is one node.
_NODES = {"local": "1xe2-custom-2-4096", "kubernetes": "2xe2-custom-2-4096", "gke": "2xe2-custom-8-16384"}
_COMMENTS = {
    ("local", "shape"): "What this machine stands in for when it is priced.",
    ("local", "load"): "A short search. Without precision and durationS it takes up to five minutes.",
    ("kubernetes", "shape"): "What the cluster's nodes are priced as. Replicas are nodes, one pod each.",
    ("kubernetes", "kubernetes"): "An image that carries the model, or a bucket: docs/serving-in-a-cluster.md.",
}
_BEFORE_UP = {
    "gke": "It costs money from `pulumi up` until `pulumi destroy`. What it needs: docs/gke-quick-start.md",
    "kubernetes": "First put the model where the servers find it: docs/serving-in-a-cluster.md",
}
# What Pulumi takes for a stack, without an organisation.
_STACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Keys = dict[str, Any]


class Draft:
    """The settings of a new stack, valid after each answer; each method gives the keys of one."""

    def __init__(self) -> None:
        self.shown: Shown | None = None
        self._payload = b""
        self.config = self.platform("local")

    def accept(self, keys: Keys) -> None:
        """Take the keys of an answer; raises SettingsError or CommandError if a preview would refuse the stack."""
        config = self.config | keys
        settings = settings_in(config)
        model = self.shown.files if self.shown else RESNET50
        stack_pod_resources("", settings, model)
        if settings.platform != "local":
            payload_parts(self._payload)
        shape = settings.node_shape("the stack")
        require_prices([Priced(shape, kept_cost(settings.platform, shape, settings.region, model.uploaded_bytes))])
        self.config = config

    def model(self, answer: str) -> Keys:
        if answer.lower() == _RESNET50:
            return {}
        shown = read_model(answer)
        if shown.model is None:
            raise CommandError(f"the model in {answer} cannot be measured: {'; '.join(shown.problems)}")
        self.shown = shown
        return {"shapebench:model": shown.settings.model_dump(exclude_defaults=True)}

    def requests(self, answer: str) -> Keys:
        path = None if answer == _GENERATED else in_checkout(answer)
        # Recorded requests say what size an input has.
        shown = replace(self.shown, guesses={}) if self.shown and path else self.shown
        model = RESNET50
        if shown:
            model = model_of(shown.settings, ROOT, is_recorded=path is not None, protocol=shown.protocol)
        self._payload = sent(model, PayloadSettings(path=path), ROOT, REST).payload.to_bytes()
        self.shown = shown
        keys = {"shapebench:model": shown.settings.model_dump(exclude_defaults=True)} if shown else {}
        return keys | ({"shapebench:payload": {"path": path}} if path else {})

    def platform(self, answer: str) -> Keys:
        platform, _, nodes = answer.partition(":")
        count, _, machine_type = (nodes or _NODES.get(platform, _NODES["local"])).partition("x")
        protocol = self.shown.protocol if self.shown else "rest"
        return new_config(platform, machine_type, int(count) if count.isdecimal() else count, protocol)

    def objective(self, answer: str) -> Keys:
        if not (limits := dict(re.findall(r"(\w+)[ =]+(\S+)", answer))):
            raise CommandError(f"the objective {answer!r} names no percentile; give one such as p99 200ms")
        return {"shapebench:objective": limits | {"errors": project_defaults()["objective"]["errors"]}}

    def zone(self, answer: str) -> Keys:
        if re.fullmatch(r"[a-z]+-[a-z]+\d+-[a-z]", answer) is None:
            raise CommandError(f"{answer!r} is not a zone; give one such as us-central1-a")
        return dict(zone_config(answer))

    def lines(self) -> Iterator[str]:
        """The stack's file."""
        yield "config:"
        for key, value in self.config.items():
            if comment := _COMMENTS.get((self.config["shapebench:platform"], key.partition(":")[2])):
                yield f"  # {comment}"
            if key == "shapebench:model" and self.shown:
                yield from yaml_lines(self.shown)
            else:
                dumped = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=float("inf"))
                yield textwrap.indent(dumped, "  ").rstrip()


def init(stack: str | None, given: Mapping[str, str | None], *, yes: bool) -> None:
    """Write the stack's file, create the stack, and print the commands that measure it.

    `given` are answers by option; `yes` takes the default of every other question. Raises CommandError or SettingsError
    before anything is written.
    """
    if stack is not None:
        _require_new(stack)
    draft = Draft()

    def ask(option: str, text: str, default: str, keys_of: Callable[[str], Keys]) -> None:
        """Take the answer from its option, the default or the terminal, which asks again after an error."""

        def accept(answer: str) -> None:
            try:
                draft.accept(keys_of(answer.strip()))
            except (SettingsError, CommandError, UnknownMachineTypeError) as error:
                raise typer.BadParameter(str(error)) from None

        answer = default if yes and given[option] is None else given[option]
        if answer is not None:
            draft.accept(keys_of(answer.strip()))
        elif sys.stdin.isatty():
            typer.prompt(text, default=default, value_proc=accept)
        else:
            raise CommandError(
                f"--{option} is missing and there is no terminal to ask on, so no stack was made; give --{option}, or"
                f" --yes for the defaults (here: {default})"
            )

    ask("model", "Folder of your SavedModel, or resnet50", _RESNET50, draft.model)
    ask("requests", "File or folder of recorded requests, or generated", _GENERATED, draft.requests)
    ask("platform", "local, kubernetes or gke, or with nodes: gke:4xe2-highmem-8", "local", draft.platform)
    ask("p99", "Latency objective", _objective(project_defaults()["objective"]), draft.objective)
    if draft.config["shapebench:platform"] == "gke":
        ask("zone", "Zone of the cluster, whose region has the prices", DEFAULT_ZONE, draft.zone)
    elif given["zone"] is not None:
        raise CommandError("--zone is given, but only gke creates a cluster, so it would change nothing; leave it out")
    name = stack or (draft.shown.files if draft.shown else RESNET50).name
    _require_new(name)
    text = "\n".join([*draft.lines(), ""])
    settings_in(yaml.safe_load(text)["config"])
    write_new_file(stack_file(name), text)
    _print_next(name, draft)


def platform_of(machine_type: str, nodes: int, platform: str | None) -> str:
    """The answer `gke:<nodes>x<machine type>`, or the same on the platform that is given; raises CommandError."""
    if platform is not None and ":" in platform:
        raise CommandError(f"--machine and the nodes in --platform {platform} exclude each other; give one of them")
    return f"{platform or 'gke'}:{shape_name(nodes, machine_type)}"


def _objective(section: Mapping[str, Any]) -> str:
    """Such as p99 500ms."""
    return " ".join(f"{key} {limit}" for key, limit in section.items() if key in QUANTILES)


def _require_new(stack: str) -> None:
    if _STACK.fullmatch(stack) is None:
        raise CommandError(f"{stack!r} cannot be the name of a stack; give letters, digits, dots and dashes")
    if stack_file(stack).exists():
        raise CommandError(
            f"{stack_file(stack).name} exists already, and no stack file is overwritten; give another name, such as"
            f" `shapebench init {stack}-2`"
        )


def _print_next(stack: str, draft: Draft) -> None:
    """Create the stack, and say how to go on; that includes Pulumi's command where it could not be created."""
    print_text(f"wrote stacks/{stack_file(stack).name}")
    commands = []
    try:
        if backend := create_stack(ROOT, stack):
            print_text(f"created the stack {stack} in {backend}")
    except SetupError as error:
        note(str(error))
        commands = [f"pulumi stack init {stack}"]
    if draft.shown and draft.shown.guesses:
        inputs = ", ".join(draft.shown.guesses)
        print_text(f"The model takes any size of {inputs}, so the size in the file is a guess; correct it there.")
    if first := _BEFORE_UP.get(draft.config["shapebench:platform"]):
        print_text(first)
    quantile, limit = _objective(draft.config["shapebench:objective"]).split()
    commands += [f"pulumi up --stack {stack}", shlex.join(["shapebench", "verdict", f"--{quantile}", limit])]
    print_text("\nNext:")
    print_code("\n".join(f"  {command}" for command in commands))
