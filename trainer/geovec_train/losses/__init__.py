"""The contrastive loss and the mask of what is known to be right."""
