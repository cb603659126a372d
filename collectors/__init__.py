"""Collectors: bytes in, events on the bus."""
