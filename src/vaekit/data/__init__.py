"""Readers, writers, the schema and its fields, batches: the ground floor."""
