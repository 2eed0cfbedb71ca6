"""From rows to a verdict: the results store, prices, statistics and the report. Imports neither pulumi nor locust."""
