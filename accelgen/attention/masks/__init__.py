"""Who sees whom: block masks, how they are made, measured and drawn."""
