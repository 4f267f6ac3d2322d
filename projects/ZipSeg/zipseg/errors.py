"""Errors meant for the user: one clear sentence with the way out, shown without a traceback."""


class ZipSegError(Exception):
    """Anything the user can mend: a config key, a file, a name list."""


class ConfigError(ZipSegError):
    """A config key with an unusable value; the message starts with the key."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")


class ImageError(ZipSegError):
    """An image that cannot be read; the message starts with the file."""
