"""A local page to look into a model with: what is under the pointer is decoded as it moves."""
