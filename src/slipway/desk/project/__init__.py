"""Assembles a desk from its apps: settings, routing, middleware, ASGI."""
