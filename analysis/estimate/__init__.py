"""A first estimate of what machine types cost, from public benchmarks and prices, before any is measured."""
