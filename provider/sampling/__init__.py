"""CPU and memory of the server pods, sampled while a load test runs."""
