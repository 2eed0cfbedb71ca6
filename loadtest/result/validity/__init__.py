"""Every check of whether a run is valid, as pure functions; each failed check is a reason in plain sentences."""
