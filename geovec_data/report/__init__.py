"""The report: one self-contained HTML file about a dataset and what was trained on it."""
