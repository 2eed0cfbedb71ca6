"""Runs the stacks of a sweep through Pulumi's Automation API. No other part of a sweep knows Pulumi or Google Cloud."""
