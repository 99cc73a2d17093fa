"""Receipts as others can check them: signed, exported, verified."""
