"""resp: a client of Redis (RESP 2) that does what it is told and no more: it
follows nobody, and asks nothing again."""

import socket

from .message import octets


class RedisError(Exception):
    """What Redis answered was an error."""


class Resp:
    """One connection to a unix socket (a path) or a TCP port (a number)."""

    def __init__(self, place, user: str = "", password: str = "",
                 database: int = 0, timeout: float = 20.0):
        if isinstance(place, int):
            self._socket = socket.create_connection(("127.0.0.1", place),
                                                    timeout=timeout)
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout)
            try:
                self._socket.connect(place)
            except OSError:
                self._socket.close()
                raise
        self._file = self._socket.makefile("rb")
        try:
            if password:
                self.call("AUTH", *([user] if user else []), password)
            if database:
                self.call("SELECT", database)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def call(self, *words):
        """One command: text, octets or numbers. Its answer: octets, a
        number, None, or a list of these. An error is raised."""
        parts = [word if isinstance(word, bytes) else octets(str(word))
                 for word in words]
        self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(
            b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))
        answer = self._read()
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis has hung up")
        return line[:-2]

    def _read(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self._bulk(int(rest))
        if kind == b"*":
            count = int(rest)
            return None if count < 0 else [self._read()
                                           for _ in range(count)]
        raise ConnectionError(f"not RESP: {line!r}")

    def _bulk(self, length: int):
        if length < 0:
            return None
        data = self._file.read(length + 2)
        if len(data) != length + 2:
            raise ConnectionError("Redis has hung up within an answer")
        return data[:-2]
