"""scikit-learn faces over the verbs."""
