"""Recommenders of the kernel: one algorithm a file, and the model that serves what they fit.

Positions, not ids, run through this package: an item's position is its rank by popularity in the `Catalogue`, so the
first ``k`` positions are the popular items and the first ``s`` are the ``s`` with most support.
"""
