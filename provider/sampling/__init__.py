"""Samples the CPU and memory use of server pods while a load test runs. What the samples mean is analysis/."""
