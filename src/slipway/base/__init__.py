"""Base room: ids, clock, errors, typed results, data directory. Pure; imports nothing of slipway."""
