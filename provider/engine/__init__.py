"""The plugin protocol: serves the Pulumi engine, and passes each request to a kind of resource."""
