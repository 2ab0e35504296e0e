"""The local classifier: trained with scikit-learn, run with numpy alone."""
