"""How fast qstate is, as ratios to the raw thing in the same run: ``python -m benchmarks``."""
