"""The tasks. They import contracts only, so that no heavy library ever reaches the workflow sandbox."""
