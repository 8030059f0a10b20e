"""Real nodes for tests, the demo and the benchmarks: `fetch` brings the programs, `regtest` runs them."""
