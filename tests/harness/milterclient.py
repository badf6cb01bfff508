"""milterclient: the MTA's side of the milter protocol (version 6), polite or
not as the test likes it."""

import socket
import struct

from .message import octets, split

# What the MTA can be asked to do at end of message.
ACTIONS = 0x1ff
# All protocol bits of version 6.
PROTOCOL = 0x1fffff

NO_CONNECT, NO_HELO, NO_MAIL, NO_RCPT = 0x1, 0x2, 0x4, 0x8
NO_BODY, NO_HEADERS, NO_EOH, NO_UNKNOWN, NO_DATA = (0x10, 0x20, 0x40, 0x100,
                                                    0x200)
NR_HEADER, SKIP, RCPT_REJECTED = 0x80, 0x400, 0x800
NR_CONNECT, NR_HELO, NR_MAIL, NR_RCPT = 0x1000, 0x2000, 0x4000, 0x8000
NR_DATA, NR_UNKNOWN, NR_EOH, NR_BODY = 0x10000, 0x20000, 0x40000, 0x80000
LEADING_SPACE = 0x100000

# command: (don't send it, it gets no reply)
SILENCE = {
    b"C": (NO_CONNECT, NR_CONNECT), b"H": (NO_HELO, NR_HELO),
    b"M": (NO_MAIL, NR_MAIL), b"R": (NO_RCPT, NR_RCPT),
    b"T": (NO_DATA, NR_DATA), b"L": (NO_HEADERS, NR_HEADER),
    b"N": (NO_EOH, NR_EOH), b"B": (NO_BODY, NR_BODY),
    b"U": (NO_UNKNOWN, NR_UNKNOWN),
}
# Stages of the macro lists that a milter may ask for at negotiation.
STAGES = {0: b"C", 1: b"H", 2: b"M", 3: b"R", 4: b"T", 5: b"E", 6: b"N"}

FINAL = b"acdrty"
NAMES = {b"a": "accept", b"c": "continue", b"d": "discard", b"r": "reject",
         b"t": "tempfail", b"y": "reply", b"s": "skip"}
CHUNK = 65535


class Gone(Exception):
    """The daemon has closed the connection."""


class Answer:
    """What the daemon said to an event, with what it asked for before."""

    def __init__(self, command: bytes, data: bytes, stage: str = ""):
        self.command = command
        self.data = data
        self.stage = stage
        self.inserted = []     # (index, name, value)
        self.changed = []      # (name, index, value)
        self.quarantine = None

    @property
    def name(self) -> str:
        return NAMES.get(self.command, repr(self.command))

    @property
    def reply(self) -> str:
        """The SMTP reply, if there is one of its own."""
        return self.data.rstrip(b"\0").decode("utf-8", "backslashreplace") \
            if self.command == b"y" else ""

    @property
    def ok(self) -> bool:
        return self.command in (b"a", b"c", b"s")

    def __str__(self) -> str:
        held = f" quarantine {self.quarantine!r}" if self.quarantine else ""
        return f"{self.stage}: {self.name} {self.reply}{held}".strip()


class Milter:
    """One connection of an MTA to the daemon."""

    def __init__(self, path: str, timeout: float = 60.0):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self.protocol = 0
        self.actions = 0
        self.wanted = {}   # command -> macros asked for
        self._of_connection = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    # -- packets

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def packet(self, command: bytes, data: bytes = b"") -> None:
        self.raw(struct.pack(">I", len(data) + 1) + command + data)

    def _exactly(self, count: int) -> bytes:
        parts = b""
        while len(parts) < count:
            try:
                more = self._socket.recv(count - len(parts))
            except ConnectionResetError:
                more = b""
            if not more:
                raise Gone(f"connection closed, {len(parts)} of {count} "
                           "octets read")
            parts += more
        return parts

    def read(self) -> tuple:
        """One packet: (command, data)."""
        length, = struct.unpack(">I", self._exactly(4))
        content = self._exactly(length)
        return content[:1], content[1:]

    def is_closed(self) -> bool:
        """Wait for the daemon to hang up; False if it says something."""
        try:
            self.read()
            return False
        except Gone:
            return True

    def event(self, command: bytes, data: bytes = b"", stage: str = ""):
        """Send an event if the daemon wants it; its answer, or None where
        none is given."""
        dont_send, no_reply = SILENCE.get(command, (0, 0))
        if self.protocol & dont_send:
            return None
        self.packet(command, data)
        if self.protocol & no_reply:
            return None
        return self.answer(stage or command.decode())

    def answer(self, stage: str) -> Answer:
        """Read up to a final answer, keeping what is asked for on the
        way."""
        inserted, changed, quarantine = [], [], None
        while True:
            command, data = self.read()
            if command == b"i":
                index, = struct.unpack(">I", data[:4])
                name, value = data[4:].rstrip(b"\0").split(b"\0", 1)
                inserted.append((index, name, value))
            elif command == b"h":
                name, value = data.rstrip(b"\0").split(b"\0", 1)
                inserted.append((1 << 30, name, value))
            elif command == b"m":
                index, = struct.unpack(">I", data[:4])
                name, _, value = data[4:].partition(b"\0")
                changed.append((name, index, value.rstrip(b"\0")))
            elif command == b"q":
                quarantine = data.rstrip(b"\0").decode("utf-8", "replace")
            elif command == b"p":
                pass  # still at work
            elif command in FINAL or command == b"s":
                break
            else:
                raise AssertionError(f"{stage}: unexpected packet "
                                     f"{command!r} {data!r}")
        answer = Answer(command, data, stage)
        answer.inserted, answer.changed = inserted, changed
        answer.quarantine = quarantine
        return answer

    # -- events, in the order of a session

    def negotiate(self, version: int = 6, actions: int = ACTIONS,
                  protocol: int = PROTOCOL) -> "Milter":
        self.packet(b"O", struct.pack(">III", version, actions, protocol))
        command, data = self.read()
        if command != b"O":
            raise AssertionError(f"negotiation got {command!r} {data!r}")
        self.version, self.actions, self.protocol = struct.unpack(
            ">III", data[:12])
        rest = data[12:]
        while rest:
            stage, = struct.unpack(">I", rest[:4])
            names, _, rest = rest[4:].partition(b"\0")
            self.wanted[STAGES[stage]] = names.decode().split()
        return self

    def macros(self, command: bytes, values: dict) -> None:
        """Macros for the event that follows: those asked for, if the daemon
        has asked."""
        wanted = self.wanted.get(command)
        body = b"".join(
            octets(name) + b"\0" + octets(value) + b"\0"
            for name, value in values.items()
            if wanted is None or name in wanted or f"{{{name}}}" in wanted)
        self.packet(b"D", command + body)

    def connect(self, address: str = "203.0.113.5", port: int = 40000,
                name: str = "client.example", daemon_name: str = "smtpd",
                daemon_port: int = 25, host: str = "host.postern.example"):
        self._of_connection = {
            "j": host, "{daemon_name}": daemon_name,
            "{daemon_port}": str(daemon_port), "{daemon_addr}": "127.0.0.1",
            "v": "test", "{client_addr}": address,
            "{client_port}": str(port), "{client_name}": name}
        self.macros(b"C", self._of_connection)
        family = b"6" if ":" in address else b"4"
        return self.event(b"C", octets(name) + b"\0" + family
                          + struct.pack(">H", port) + octets(address)
                          + b"\0", "connect")

    def helo(self, name: str = "client.example"):
        self.macros(b"H", {"{tls_version}": ""})
        return self.event(b"H", octets(name) + b"\0", "helo")

    def mail(self, sender, *params, login: str = "", tls: str = ""):
        values = {**self._of_connection,
                  "{mail_addr}": octets(sender).strip(b"<>")}
        if login:
            values.update({"{auth_authen}": login, "{auth_type}": "PLAIN"})
        if tls:
            values["{tls_version}"] = tls
        self.macros(b"M", values)
        return self.event(b"M", b"".join(octets(one) + b"\0" for one
                                         in (sender, *params)), "mail")

    def rcpt(self, rcpt, *params, mailer: str = "smtp"):
        self.macros(b"R", {"{rcpt_addr}": octets(rcpt).strip(b"<>"),
                           "{rcpt_mailer}": mailer,
                           "{rcpt_host}": "out.example"})
        return self.event(b"R", b"".join(octets(one) + b"\0" for one
                                         in (rcpt, *params)), "rcpt")

    def data(self, queue_id: str = "4cQUEUEID"):
        self.macros(b"T", {"i": queue_id})
        return self.event(b"T", b"", "data")

    def header(self, name, value):
        """value without its leading space: it is put there if that was
        agreed on. Folds are LF."""
        space = b" " if self.protocol & LEADING_SPACE else b""
        return self.event(b"L", octets(name) + b"\0" + space + octets(value)
                          + b"\0", "header")

    def eoh(self, queue_id: str = "4cQUEUEID"):
        self.macros(b"N", {"i": queue_id})
        return self.event(b"N", b"", "eoh")

    def body(self, data: bytes, chunk: int = CHUNK):
        """The body in pieces; ends early if the daemon has seen enough."""
        for begin in range(0, len(data), chunk):
            answer = self.event(b"B", data[begin:begin + chunk], "body")
            if answer is not None and answer.command != b"c":
                return answer
        return None

    def eom(self, queue_id: str = "4cQUEUEID", login: str = "") -> Answer:
        values = {"i": queue_id}
        if login:
            values["{auth_authen}"] = login
        self.macros(b"E", values)
        self.packet(b"E")
        return self.answer("eom")

    def abort(self) -> None:
        self.packet(b"A")

    def quit(self) -> None:
        """Say good-bye and wait until the daemon has gone."""
        self.packet(b"Q")
        self.is_closed()
        self.close()

    # -- whole messages

    def begin(self, **connection) -> "Milter":
        """Negotiate, connect, helo."""
        self.negotiate()
        for answer in (self.connect(**connection), self.helo()):
            if answer is not None and not answer.ok:
                raise AssertionError(f"the daemon doesn't want us: {answer}")
        return self

    def message(self, sender: str, rcpts, message: bytes, login: str = "",
                queue_id: str = "4cQUEUEID", mailer: str = "smtp",
                tls: str = "") -> Answer:
        """All events of a message, in the MTA's way: the first answer that
        isn't continue ends it (a refused recipient alone does not)."""
        rcpts = [rcpts] if isinstance(rcpts, str) else rcpts
        answer = self.mail(f"<{sender}>", login=login, tls=tls)
        if answer is not None and not answer.ok:
            return answer
        for rcpt in rcpts:
            answer = self.rcpt(f"<{rcpt}>", mailer=mailer)
            if answer is not None and not answer.ok:
                self.abort()
                return answer
        return self.content(message, login, queue_id)

    def content(self, message: bytes, login: str = "",
                queue_id: str = "4cQUEUEID") -> Answer:
        """The events from DATA on."""
        answer = self.data(queue_id)
        if answer is not None and not answer.ok:
            return answer
        fields, body = split(message)
        for name, value in fields:
            value = value.replace(b"\r\n", b"\n")
            answer = self.header(name, value.removeprefix(b" "))
            if answer is not None and not answer.ok:
                return answer
        answer = self.eoh(queue_id)
        if answer is not None and not answer.ok:
            return answer
        answer = self.body(body)
        if answer is not None and not answer.ok:
            return answer
        return self.eom(queue_id, login)


def applied(message: bytes, answer: Answer, leading_space: bool = True
            ) -> bytes:
    """The message as the MTA would send it on, after the insertions (at the
    top; others aren't expected of us)."""
    for index, name, value in answer.inserted:
        if index > 1:
            raise AssertionError(f"inserted at {index}: {name!r}")
        space = b"" if leading_space else b" "
        line = name + b":" + space + value.replace(b"\r\n", b"\n")
        message = line.replace(b"\n", b"\r\n") + b"\r\n" + message
    return message
