"""What is observed beside the requests: clocks, CPU and memory, server counters, generator health."""
