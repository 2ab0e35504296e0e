"""Opswire's messages: types, routes, frozen schemas and their checks."""
