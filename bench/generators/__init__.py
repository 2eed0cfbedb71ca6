"""What benchmarks send requests with: our generator, others, and plain clients. What answers is servers/."""
