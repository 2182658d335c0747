"""Look of the desks: base templates, components, charts, static files."""
