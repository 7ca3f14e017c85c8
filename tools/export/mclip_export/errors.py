"""The one error that is shown to users without a traceback."""


class ExportError(Exception):
    """Something the caller can put right; the message names the offending value and the way out."""
