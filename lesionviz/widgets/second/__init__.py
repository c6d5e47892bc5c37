"""A second model beside the first: where it is loaded, and what the two say of the picture on view."""
