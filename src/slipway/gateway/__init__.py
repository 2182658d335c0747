"""Gateway room: time-boxed access to a model that its developer keeps. Pure asyncio, no Django."""
