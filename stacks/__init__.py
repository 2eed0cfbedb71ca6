"""Plan-time facts: the stack files and the strict frozen models that read them. No resources, no I/O."""
