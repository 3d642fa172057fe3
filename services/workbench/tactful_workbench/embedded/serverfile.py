"""`<data>/server.json`: how commands find the server that has the folder."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tactful.errors import TactfulError
from tactful.sqlite import unwritable


class ServerFile(msgspec.Struct, frozen=True):
    """Written by a server when it listens, removed when it ends."""

    url: str
    pid: int
    token: str

    @staticmethod
    def path(data: Path) -> Path:
        return data / "server.json"

    def write(self, data: Path) -> None:
        """Raises StoreUnavailable."""
        file = self.path(data)
        try:
            file.touch(mode=0o600)
            file.write_bytes(msgspec.json.encode(self))
        except OSError as error:
            raise unwritable(file, error) from None

    def remove(self, data: Path) -> None:
        """Delete the file, unless another process has written its own since."""
        there = self.read(data)
        if there is not None and there.pid == self.pid:
            self.path(data).unlink(missing_ok=True)

    @classmethod
    def read(cls, data: Path) -> ServerFile | None:
        """Raises TactfulError if it is somebody else's."""
        try:
            return msgspec.json.decode(cls.path(data).read_bytes(), type=cls)
        except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
            return None
        except OSError as error:
            raise TactfulError(
                f"{cls.path(data)} cannot be read ({error.strerror}); run this as the user whose server it is"
            ) from None
