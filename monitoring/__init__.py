"""Metrics, health and logs; imports nothing of the other rooms."""
