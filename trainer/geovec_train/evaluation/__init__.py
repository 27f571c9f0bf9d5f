"""RSMEB-style evaluation: pools, ranks, scores, comparisons and the page of successes and failures."""
