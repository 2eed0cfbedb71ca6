"""A real Prometheus on the loopback that takes metrics by OTLP, for the tests of live metrics."""
