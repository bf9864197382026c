"""Latent-variable models behind one seam, and how one is built."""
