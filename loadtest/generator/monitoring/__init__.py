"""What is observed beside the requests: clocks, CPU, memory, server counters, generator health. Sends no prediction."""
