"""The stacks of a sweep through Pulumi's Automation API. The only part of a sweep that knows Pulumi or Google Cloud."""
