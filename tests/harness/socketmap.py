"""socketmap: a server that speaks Postfix's socketmap protocol
(socketmap_table(5)): netstrings, "NAME KEY" there and "OK VALUE" or "NOTFOUND "
back.

    server = SocketMap(os.path.join(postern.run, "maps.sock")).start()
    server.maps["senders"] = {"@a.example": "bob@b.example"}
    settings = {"senders": {"map": server.map("senders")}}"""

import collections
import os
import socket
import threading

_LONGEST = 100000  # octets of a question; Postfix's own default
_DIGITS = 6


class SocketMap:
    """Maps by name. They may be changed at any time; stop() is what a server
    that went away looks like, and start() that it is back."""

    def __init__(self, path: str, maps=None):
        self.path = path
        self.maps = dict(maps or {})
        self.trouble = ""  # said to every question instead: "TEMP not now"
        self._lock = threading.Lock()
        self._asked = collections.Counter()
        self._connections = set()
        self._listener = None

    def map(self, name: str) -> str:
        """The option's value for a map of this name."""
        return f"socketmap:unix:{self.path}:{name}"

    def asked(self, name: str, key: str = "") -> int:
        """How often a map was asked, for a key or in all."""
        with self._lock:
            return sum(count for (one, what), count in self._asked.items()
                       if one == name and key in ("", what))

    def start(self) -> "SocketMap":
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        os.chmod(self.path, 0o777)  # the daemon is somebody else
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,),
                         daemon=True).start()
        return self

    def stop(self) -> None:
        """Go away, in the middle of whatever is under way."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        os.unlink(self.path)
        with self._lock:
            connections, self._connections = self._connections, set()
        for one in (listener, *connections):
            try:  # close() alone leaves a thread in its call
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                is_away = listener is not self._listener
                if not is_away:
                    self._connections.add(connection)
            if is_away:
                connection.close()
                return
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while (question := _read(stream)) is not None:
                    answer = self._answer(question)
                    connection.sendall(b"%d:%s," % (len(answer), answer))
        except (OSError, ValueError):
            pass  # gone, or it talks nonsense: hang up
        with self._lock:
            self._connections.discard(connection)

    def _answer(self, question: bytes) -> bytes:
        name, _, key = question.decode("utf-8", "replace").partition(" ")
        with self._lock:
            self._asked[name, key] += 1
        if self.trouble:
            return self.trouble.encode()
        value = self.maps.get(name, {}).get(key)
        return b"NOTFOUND " if value is None else b"OK " + value.encode()


def _read(stream):
    """One netstring; None at the end."""
    head = b""
    while not head.endswith(b":"):
        octet = stream.read(1)
        if not octet:
            return None
        head += octet
        if len(head) > _DIGITS + 1:
            raise ValueError("no netstring")
    length = int(head[:-1])
    if length > _LONGEST:
        raise ValueError("too long")
    octets = stream.read(length + 1)
    if len(octets) <= length:
        return None
    if octets[-1:] != b",":
        raise ValueError("no netstring")
    return octets[:-1]
