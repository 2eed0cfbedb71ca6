"""Starts the plugin as a package of another Pulumi program: PulumiPlugin.yaml."""

import asyncio
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from provider.engine.plugin import serve  # noqa: E402 - the checkout is no installed package

# Pulumi puts options of its own before the address.
asyncio.run(serve(sys.argv[-1]))
