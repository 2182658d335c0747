"""Desk room: the web sites, and the only room that knows Django."""
