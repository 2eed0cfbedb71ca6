"""The plugin protocol: serves the Pulumi engine, gives each request to a kind of resource. Those are resources/."""
