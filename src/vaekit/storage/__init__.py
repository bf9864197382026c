"""Files of tensors and models."""
