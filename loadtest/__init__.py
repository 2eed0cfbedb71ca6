"""The load test: its generator, what starts that, and what was measured. No imports: it ships into the pod."""
