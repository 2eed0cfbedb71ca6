"""Sets up a checkout: Python environments, Pulumi, stacks. Standard library only, because nothing is installed yet.

`pull_request/` is the exception: it runs in workflows, after the set-up.
"""
