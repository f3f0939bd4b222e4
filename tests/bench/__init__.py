"""The benchmarks; README: docs/benchmarks.md."""
