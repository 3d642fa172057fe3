"""What happens to a state of a version that nobody knows."""

from tactful.errors import PluginError


def unknown_version(projection: str, version: int, known: int) -> PluginError:
    """The error that `migrate` raises."""
    return PluginError(
        f"projection {projection}: a stored state has version {version}, this program knows {known}; "
        "run the program that wrote it"
    )
