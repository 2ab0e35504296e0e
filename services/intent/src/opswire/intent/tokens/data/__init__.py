"""Qwen's vocabulary: see ORIGIN.md."""
