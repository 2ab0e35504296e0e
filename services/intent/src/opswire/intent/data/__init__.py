"""The labelled requests the classifier learns from, written for this project."""
