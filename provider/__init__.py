"""The Pulumi resource plugin. The engine starts it on the machine that runs `pulumi up`. It declares no resource."""
