"""Settings, one module a desk."""
