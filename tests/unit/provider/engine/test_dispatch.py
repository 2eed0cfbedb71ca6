"""Every kind of resource is found by its token, and none is imported before it is used."""

import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import provider.resources
from provider.engine.dispatch import KINDS, kind_named
from provider.resource import Resource

# A check of the inputs or a comparison with the state imports the kind. A preview, a refresh and most updates need no
# more, and the check of the results store, the first thing that an update does, is to fail within seconds.
ALL_KINDS = "import provider.engine.plugin; from provider.engine.dispatch import KINDS, kind_named; "
ALL_KINDS += "[*map(kind_named, KINDS)]"


def test_the_kinds_are_all_the_classes_that_have_a_token() -> None:
    modules = [
        import_module(module_info.name)
        for module_info in iter_modules(provider.resources.__path__, "provider.resources.")
    ]
    classes = {
        member.token: member
        for module in modules
        for member in vars(module).values()
        if isinstance(member, type) and issubclass(member, Resource) and hasattr(member, "token")
    }
    assert classes.keys() == KINDS.keys()
    assert {token: type(kind_named(token)) for token in KINDS} == classes


def test_no_kind_loads_what_only_its_work_needs() -> None:
    large = {"pandas", "scipy", "tensorflow", "kubernetes", "locust"}
    command = f"import sys; {ALL_KINDS}; print(*sorted({large!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
