"""From a URL and options to an open byte stream.

Nothing is re-exported: a function ``dial`` here would hide the module of that name.
"""

__all__: list[str] = []
