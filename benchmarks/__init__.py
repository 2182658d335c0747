"""Benchmarks: ratios against a peer interleaved in the same run, never bare seconds."""
