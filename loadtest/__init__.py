"""The load test: the generator, the code that starts it, and its result. No imports: this file ships into the pod."""
