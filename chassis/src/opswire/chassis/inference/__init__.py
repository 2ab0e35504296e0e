"""Inference: one client for every model server, with what a shared one needs: deadlines, lanes, fallback, cost."""
