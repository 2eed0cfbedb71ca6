"""The plugin protocol: talks to the Pulumi engine, and hands each request to a kind of resource."""
