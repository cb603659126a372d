"""Neutral rules to decisions about events. No I/O and no pySigma."""
