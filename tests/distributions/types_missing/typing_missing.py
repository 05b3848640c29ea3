"""A plug-in for a package that is not installed."""

import absent_package  # noqa: F401
