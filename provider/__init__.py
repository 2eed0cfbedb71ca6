"""The Pulumi resource plugin: what runs on the machine of whoever runs `pulumi up`. Started by the engine."""
