"""place: one temporary directory, free ports, unique words, bounded waits."""

import os
import secrets
import shutil
import socket
import tempfile
import time


class Place:
    """A temporary directory that other users may pass through."""

    def __init__(self, name: str = "test"):
        self.path = tempfile.mkdtemp(prefix=f"postern-{name}-", dir="/tmp")
        os.chmod(self.path, 0o755)

    def at(self, *parts: str) -> str:
        return os.path.join(self.path, *parts)

    def make(self, *parts: str, mode: int = 0o755, uid: int = -1,
             gid: int = -1) -> str:
        """Make a directory (umask plays no part) and return its path."""
        path = self.at(*parts)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        os.chown(path, uid, gid)
        return path

    def write(self, name: str, text, mode: int = 0o644) -> str:
        path = self.at(name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def free_ports(count: int) -> list:
    """Loopback ports that nobody has now; all are held until all are known,
    so they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def token() -> str:
    """A word that no other message has, good in an address."""
    return "t" + secrets.token_hex(6)


def wait_until(check, what: str, seconds: float = 20.0):
    """Ask check until it gives something true, which is returned. A wait
    that ends without is an error: it says what never came."""
    end = time.monotonic() + seconds
    pause = 0.002
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.1)


def tail(path: str, lines: int = 40) -> str:
    """The last lines of a file, for messages of failing tests."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 200 * lines))
            text = file.read().decode("utf-8", "backslashreplace")
    except OSError as error:
        return f"({error})"
    return "\n".join(text.splitlines()[-lines:])


def is_alive(pid: int) -> bool:
    """Does the process run? One that has ended and waits for its parent to
    notice does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
