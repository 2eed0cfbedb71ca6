"""The load test as a resource of the stack, on this machine and in a cluster. What it does is in provider/."""
