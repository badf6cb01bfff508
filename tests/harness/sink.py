"""sink: an SMTP server that keeps what it is given, octet for octet."""

import socket
import threading

from .place import wait_until


class Received:
    """One message as it came over the wire (dots unstuffed)."""

    def __init__(self, mail_from: str, mail_params: list, rcpts: list,
                 message: bytes):
        self.mail_from = mail_from
        self.mail_params = mail_params
        self.rcpts = rcpts
        self.message = message


class Sink:
    """Listens on a loopback port of its own until stop()."""

    def __init__(self, eight_bit: bool = True):
        self.eight_bit = eight_bit
        self.refuse = {}       # recipient -> reply line
        self._received = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._open = False
        # close() alone leaves a thread in accept(); shutdown() wakes it.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def all(self) -> list:
        with self._lock:
            return list(self._received)

    def find(self, rcpt: str):
        """The messages for a recipient (whole address or local part)."""
        return [one for one in self.all()
                if any(rcpt in (to, to.partition("@")[0])
                       for to in one.rcpts)]

    def take(self, rcpt: str, seconds: float = 60.0) -> Received:
        """Wait for the message of a recipient that only it has."""
        return wait_until(lambda: self.find(rcpt),
                          f"the message for {rcpt} at the sink",
                          seconds)[0]

    def _accept(self) -> None:
        while self._open:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(120)
        with connection, connection.makefile("rb", 1 << 16) as lines:
            try:
                self._talk(connection, lines)
            except OSError:
                pass

    def _talk(self, connection, lines) -> None:
        def say(text: str) -> None:
            connection.sendall(text.encode() + b"\r\n")

        sender, params, rcpts = None, [], []
        say("220 sink.postern.example ESMTP")
        while True:
            line = lines.readline()
            if not line:
                return
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            verb = text[:4].upper()
            if verb == "EHLO":
                say("250-sink.postern.example")
                if self.eight_bit:
                    say("250-8BITMIME")
                    say("250-SMTPUTF8")
                say("250 ENHANCEDSTATUSCODES")
            elif verb == "MAIL":
                sender, params = _path(text)
                rcpts = []
                say("250 2.1.0 Ok")
            elif verb == "RCPT":
                rcpt = _path(text)[0]
                if rcpt in self.refuse:
                    say(self.refuse[rcpt])
                    continue
                rcpts.append(rcpt)
                say("250 2.1.5 Ok")
            elif verb == "DATA":
                if not rcpts:
                    say("554 5.5.1 No valid recipients")
                    continue
                say("354 Go on")
                message = _data(lines)
                with self._lock:
                    self._received.append(
                        Received(sender, params, rcpts, message))
                say("250 2.0.0 Kept")
            elif verb == "QUIT":
                say("221 2.0.0 Bye")
                return
            elif verb in ("HELO", "RSET", "NOOP"):
                say("250 2.0.0 Ok")
            else:
                say("500 5.5.2 What?")


def _path(text: str):
    """The address and the parameters of MAIL FROM:<..> or RCPT TO:<..>."""
    begin = text.index("<")
    end = text.rindex(">")
    return text[begin + 1:end], text[end + 1:].split()


def _data(lines) -> bytes:
    parts = []
    while True:
        line = lines.readline()
        if not line:
            raise ConnectionError("the client left within DATA")
        if line == b".\r\n":
            return b"".join(parts)
        parts.append(line[1:] if line.startswith(b".") else line)
