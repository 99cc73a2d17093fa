"""Measures Drover against the bare tools, and against what it promises (docs/performance.md)."""
