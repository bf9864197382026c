"""Likelihoods, priors, posteriors and divergences: densities only."""
