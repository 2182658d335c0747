"""API families: their routes, error formats and where they report usage."""
