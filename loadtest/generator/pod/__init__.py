"""Programs of the generator's pod beside Locust: init containers and the sidecar. No request is sent from here."""
