"""The benchmark suite: ratios measured within one run. ``make bench``; docs/performance.md."""
