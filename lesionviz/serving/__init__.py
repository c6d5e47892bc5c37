"""Serves the dashboard with Voila: configuration and page template."""
