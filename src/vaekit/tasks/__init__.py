"""The verbs: each written once, for every model."""
