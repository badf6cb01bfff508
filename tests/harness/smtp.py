"""smtp: a small SMTP client that says exactly what it is told and gives back
exactly what it hears."""

import array
import base64
import re
import socket
import ssl
import subprocess

from .message import octets


class Reply:
    """One reply of the server."""

    def __init__(self, lines: list, stage: str = ""):
        self.lines = lines
        self.stage = stage   # "MAIL", "RCPT", "DATA", "EOM", ...
        self.code = int(lines[-1][:3])
        self.words = " ".join(line[4:] for line in lines)
        found = re.match(r"([245]\.\d+\.\d+) ", self.words + " ")
        self.status = found.group(1) if found else ""

    @property
    def ok(self) -> bool:
        return self.code < 400

    def __str__(self) -> str:
        return f"{self.stage}: " + " / ".join(self.lines)


class Client:
    """One SMTP connection. connection: an open socket to use instead of
    making one."""

    def __init__(self, port: int, connection=None, timeout: float = 90.0):
        self._socket = connection or socket.create_connection(
            ("127.0.0.1", port), timeout=timeout)
        self._socket.settimeout(timeout)
        self._file = self._socket.makefile("rb")
        self.capabilities = []
        self.greeting = self.reply("connect")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Leave without a word."""
        self._file.close()
        self._socket.close()

    def reply(self, stage: str = "") -> Reply:
        lines = []
        while True:
            line = self._file.readline()
            if not line:
                raise ConnectionError(f"{stage}: connection lost, had "
                                      f"{lines}")
            text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
            lines.append(text)
            if text[3:4] != "-":
                return Reply(lines, stage)

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def cmd(self, line, stage: str = "") -> Reply:
        self.raw(octets(line) + b"\r\n")
        return self.reply(stage or octets(line)[:4].decode("latin-1"))

    def ehlo(self, name: str = "client.example") -> Reply:
        reply = self.cmd(f"EHLO {name}")
        self.capabilities = [line[4:].upper() for line in reply.lines[1:]]
        return reply

    def xclient(self, **attributes) -> Reply:
        """XCLIENT, then EHLO anew, as it must be."""
        words = " ".join(f"{name.upper()}={value}"
                         for name, value in attributes.items())
        reply = self.cmd(f"XCLIENT {words}", "XCLIENT")
        if reply.code == 220:
            self.ehlo()
        return reply

    def starttls(self) -> Reply:
        reply = self.cmd("STARTTLS", "STARTTLS")
        if reply.code != 220:
            return reply
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._file.close()
        self._socket = context.wrap_socket(self._socket)
        self._file = self._socket.makefile("rb")
        return self.ehlo()

    def auth_plain(self, login: str, password: str) -> Reply:
        secret = base64.b64encode(
            f"\0{login}\0{password}".encode()).decode()
        return self.cmd(f"AUTH PLAIN {secret}", "AUTH")

    def mail(self, sender: str, params: str = "") -> Reply:
        return self.cmd(f"MAIL FROM:<{sender}> {params}".rstrip(), "MAIL")

    def rcpt(self, rcpt: str) -> Reply:
        return self.cmd(f"RCPT TO:<{rcpt}>", "RCPT")

    def data(self, message: bytes) -> Reply:
        """DATA, the message, the dot. The last line gets its end if it has
        none: SMTP has no way to leave it out (but see bdat())."""
        reply = self.cmd("DATA", "DATA")
        if reply.code != 354:
            return reply
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        if not stuffed.endswith(b"\r\n"):
            stuffed += b"\r\n"
        self.raw(stuffed + b".\r\n")
        return self.reply("EOM")

    def bdat(self, message: bytes) -> Reply:
        """The message as one chunk (RFC 3030)."""
        self.raw(b"BDAT %d LAST\r\n" % len(message) + message)
        return self.reply("EOM")

    def send(self, sender: str, rcpts, message: bytes,
             params: str = "") -> Reply:
        """A whole message: the first reply that refuses, or the last one.
        The transaction is reset after a refusal."""
        rcpts = [rcpts] if isinstance(rcpts, str) else rcpts
        reply = self.mail(sender, params)
        for rcpt in rcpts:
            if reply.ok:
                reply = self.rcpt(rcpt)
        if reply.ok:
            reply = self.data(message)
        if not reply.ok:
            self.cmd("RSET")
        return reply

    def quit(self) -> Reply:
        reply = self.cmd("QUIT")
        self.close()
        return reply


# Runs as another user, who can perhaps not read this file: hence no import
# of ours. The connected socket comes back through descriptor 0.
_CONNECT = """
import array, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
back = socket.socket(fileno=0)
back.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                       array.array("i", [s.fileno()]))])
"""


def connect_as(uid: int, port: int) -> socket.socket:
    """A connection to port that a process of uid has opened, so that the
    kernel names uid as its owner. Needs root."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run(["/usr/bin/python3", "-I", "-c", _CONNECT, str(port)],
                       stdin=theirs, user=uid, group=uid, extra_groups=[],
                       cwd="/", check=True, timeout=30)
        _, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
    fds = array.array("i")
    fds.frombytes(ancillary[0][2][:fds.itemsize])
    return socket.socket(fileno=fds[0])
