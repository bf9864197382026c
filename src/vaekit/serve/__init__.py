"""The verbs of one model over HTTP."""
