"""Programs of the generator pod beside Locust: init containers and the sidecar."""
