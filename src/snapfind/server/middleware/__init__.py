"""Middleware: request context, body limits, origin check, authorization."""
