"""Chance, for those who take it as an argument."""

import random


def chance() -> float:
    """u in [0, 1): spreads retries; nothing secret depends on it."""
    return random.random()
