"""What Locust runs, and the runner that starts it. Empty on purpose: inside Locust nothing else may be imported."""
