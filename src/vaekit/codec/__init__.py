"""The verb "compress": integer networks, entropy coding, and the archive they are written to."""
