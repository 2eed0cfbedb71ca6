"""All rules of the pack. A rule is a module here: its docstring is its sentence, and `check` yields the problems."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from policy.rule import Rule


def _rule(module: ModuleType) -> Rule:
    name = module.__name__.rpartition(".")[2].replace("_", "-")
    return Rule(name, str(module.__doc__), module.check)


RULES = tuple(_rule(import_module(f"{__name__}.{each.name}")) for each in iter_modules(__path__))
