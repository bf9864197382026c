"""Bodies without losses."""
