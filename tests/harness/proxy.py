"""proxy: stands between a client and a server and does to the octets what bad
networks do: cuts answers in the middle, delays, dribbles, swallows."""

import os
import socket
import threading
import time


class Proxy:
    """Listens on a loopback port (or on a unix socket, if `socket_path` is
    given) and passes on to a port (a number) or a unix socket (a path).

    What it does to answers can be changed at any time:
      cut_after   connections end after so many octets of answers; None: not
      delay       seconds that each piece of an answer waits
      dribble     answers go octet by octet, so many seconds apart; None: not
      is_silent   answers are read and thrown away
      refuses     new connections are closed at once
    """

    def __init__(self, target, socket_path: str = ""):
        self._target = target
        self.cut_after = None
        self.delay = 0.0
        self.dribble = None
        self.is_silent = False
        self.refuses = False
        self.connections = 0  # ever made
        self.cuts = 0         # that cut_after has ended
        self._pairs = []
        self._lock = threading.Lock()
        self._is_open = True
        if socket_path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(socket_path)
            os.chmod(socket_path, 0o777)
            self._listener.listen(128)
            self.place = socket_path
        else:
            self._listener = socket.create_server(("127.0.0.1", 0),
                                                  backlog=128)
            self.place = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def heal(self) -> None:
        """Do nothing bad any more, and begin with new connections: those
        there are may have lost octets."""
        self.cut_after = self.dribble = None
        self.delay = 0.0
        self.is_silent = self.refuses = False
        self.cut()

    def cut(self) -> None:
        """End all connections there are."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _end(*pair)

    def stop(self) -> None:
        self._is_open = False
        try:  # close() alone leaves a thread in accept()
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while self._is_open:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            far = None if self.refuses else self._connect()
            if far is None:
                near.close()
                continue
            with self._lock:
                self._pairs.append((near, far))
            for work in (self._ask, self._answer):
                threading.Thread(target=work, args=(near, far),
                                 daemon=True).start()

    def _connect(self):
        family = (socket.AF_INET if isinstance(self._target, int)
                  else socket.AF_UNIX)
        far = socket.socket(family)
        try:
            far.connect(("127.0.0.1", self._target)
                        if isinstance(self._target, int) else self._target)
            return far
        except OSError:
            far.close()
            return None

    def _ask(self, near, far) -> None:
        """What the client says goes through as it is."""
        try:
            while data := near.recv(65536):
                far.sendall(data)
        except OSError:
            pass
        _end(near, far)

    def _answer(self, near, far) -> None:
        left = self.cut_after
        try:
            while data := far.recv(65536):
                if left is None:
                    left = self.cut_after
                if left is not None and len(data) >= left:
                    near.sendall(data[:left])
                    self.cuts += 1
                    break
                if left is not None:
                    left -= len(data)
                self._pass_on(near, data)
        except OSError:
            pass
        _end(near, far)
        with self._lock:
            if (near, far) in self._pairs:
                self._pairs.remove((near, far))
        near.close()
        far.close()

    def _pass_on(self, near, data: bytes) -> None:
        if self.is_silent:
            return
        if self.delay:
            time.sleep(self.delay)
        while data and self.dribble is not None:
            time.sleep(self.dribble)
            near.sendall(data[:1])
            data = data[1:]
        near.sendall(data)


def _end(*sockets) -> None:
    for one in sockets:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
