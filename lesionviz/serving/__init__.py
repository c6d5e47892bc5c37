"""Serves the dashboard with Voila: configuration and page template."""

import importlib

from lesionviz.light_imports import without

# Jupyter's servers check messages with jsonschema, which makes itself a parser of internationalised addresses as it is
# imported: over a second, two thirds of what importing Voila takes. No message's or notebook's schema asks for such a one.
with without("rfc3987_syntax"):
    importlib.import_module("jsonschema")
