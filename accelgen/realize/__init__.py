"""From a point of a search to its accelerator, and to its network run on that accelerator."""
