"""dns: the DNS of the tests, on loopback ports: Nsd is a real server with
zones; ScriptedDns a small one of ours, which gets wrong what servers and
networks get wrong. Nobody here asks the Internet.

Names are given as tests/harness/zone.py has them."""

import collections
import functools
import os
import signal
import socket
import struct
import subprocess
import threading
import unittest

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

from .place import Place, free_ports, tail, wait_until
from .zone import SOA, Reply, Zone, key, rdata, text_name, wire_name

LOOPBACK = "127.0.0.1"
SECONDS = 30.0


def ask(port: int, name: str, kind: str = "TXT", tcp: bool = False,
        seconds: float = 5.0) -> dns.message.Message:
    """One question, of which no cache knows; over TCP when the answer is too
    long. Raises OSError or a dns.exception.DNSException when none comes."""
    query = dns.message.make_query(wire_name(name), kind, use_edns=True,
                                   payload=1232)
    if not tcp:
        got = dns.query.udp(query, LOOPBACK, seconds, port)
        if not got.flags & dns.flags.TC:
            return got
    return dns.query.tcp(query, LOOPBACK, seconds, port)


def words(answer: dns.message.Message) -> list:
    """What an answer says, as text: its records, or ["NXDOMAIN"]."""
    if answer.rcode() != dns.rcode.NOERROR:
        return [dns.rcode.to_text(answer.rcode())]
    return [one.to_text() for rrset in answer.answer for one in rrset]


def _serial(port: int) -> int:
    """Of the root's SOA; 0 when nobody answers."""
    try:
        answer = ask(port, "", "SOA", seconds=1.0)
        return answer.answer[0][0].serial if answer.answer else 0
    except (OSError, dns.exception.DNSException):
        return 0


NSD_CONF = """\
server:
    ip-address: {address}
    port: {port}
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "{path}"
    database: ""
    zonelistfile: "{path}/zone.list"
    xfrdfile: "{path}/xfrd.state"
    xfrdir: "{path}"
    pidfile: "{path}/nsd.pid"
    logfile: "{path}/log"
    zonefiles-check: yes
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    tcp-count: 200
remote-control:
    control-enable: no
zone:
    name: "."
    zonefile: "root.zone"
"""

ROOT = """\
. {ttl} IN SOA {soa}
. {ttl} IN NS a.ns-of-the-tests.
"""


class Nsd:
    """An nsd that serves the root with everything in it. zones: a dict, or
    the lines of a zone file (absolute names), beside which SOA and NS of the
    root are written for it."""

    def __init__(self, place: Place, zones=None, name: str = "nsd",
                 ttl: int = 300):
        if not os.access("/usr/sbin/nsd", os.X_OK):
            raise unittest.SkipTest("no nsd")
        self.name = name
        self.ttl = ttl
        self.path = place.make(name)
        self.log = os.path.join(self.path, "log")
        self.port, = free_ports(1)
        self._conf = place.write(os.path.join(name, "nsd.conf"),
                                 NSD_CONF.format(address=LOOPBACK,
                                                 port=self.port,
                                                 path=self.path))
        self._serial = 0
        self._process = None
        self._write(zones or {})

    @property
    def server(self) -> str:
        """As `dns.servers` of the configuration names it."""
        return f"{LOOPBACK}@{self.port}"

    def settings(self, **options) -> dict:
        """The section of a daemon's configuration."""
        return {"dns": {"servers": [self.server], **options}}

    def _write(self, zones) -> None:
        self._serial += 1
        text = ROOT.format(ttl=self.ttl, soa=SOA.format(
            serial=self._serial, ttl=self.ttl))
        text += zones if isinstance(zones, str) else Zone(
            zones, self.ttl).text()
        path = os.path.join(self.path, "root.zone")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        # nsd reads a file again when its time has changed; in seconds.
        os.utime(path, (self._serial, self._serial))
        # By itself it would answer SERVFAIL to everything.
        ran = subprocess.run(["/usr/sbin/nsd-checkzone", ".", path],
                             stdout=subprocess.PIPE, timeout=SECONDS,
                             stderr=subprocess.STDOUT)
        if ran.returncode != 0:
            raise ValueError(ran.stdout.decode(errors="replace"))

    def start(self) -> "Nsd":
        self._process = subprocess.Popen(
            ["/usr/sbin/nsd", "-d", "-c", self._conf],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd=self.path)
        try:
            self._await()
        except (TimeoutError, ChildProcessError) as error:
            self.stop()
            raise RuntimeError(f"{error}\n{self.story()}") from None
        return self

    def _await(self) -> None:
        """Until it answers with the zone as it was written last."""
        def is_there() -> bool:
            if self._process.poll() is not None:
                raise ChildProcessError(f"{self.name} ended with "
                                        f"{self._process.returncode}")
            return _serial(self.port) == self._serial
        wait_until(is_there, f"zone {self._serial} of {self.name}", SECONDS)

    def load(self, zones) -> "Nsd":
        """Serve this instead."""
        self._write(zones)
        self._process.send_signal(signal.SIGHUP)
        try:
            self._await()
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{self.story()}") from None
        return self

    def stop(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def story(self) -> str:
        return f"--- log of {self.name}:\n{tail(self.log, 15)}"


# -- a server that makes mistakes

class Question:
    """What somebody wants to know. name: without its last dot, lower case.
    zone: the answers of the server it was put to, for a mistake that begins
    with the right one."""

    def __init__(self, message: dns.message.Message, zone: Zone,
                 is_tcp: bool):
        self.message = message
        self.name = key(text_name(message.question[0].name))
        self.kind = dns.rdatatype.to_text(message.question[0].rdtype)
        self.zone = zone
        self.is_tcp = is_tcp

    def right(self) -> dns.message.Message:
        """The answer that the zone gives."""
        return self.reply(self.zone.find(self.name, self.kind))

    def records(self, *records, ttl: int = 300) -> dns.message.Message:
        """An answer of these records of the question's name, in the form that
        zones have."""
        one = Zone({self.name: list(records)}, ttl)
        return self.reply(one.find(self.name, self.kind))

    def error(self, rcode: str) -> dns.message.Message:
        return self.reply(Reply(dns.rcode.from_text(rcode)))

    def reply(self, reply: Reply) -> dns.message.Message:
        made = dns.message.make_response(self.message,
                                         recursion_available=True)
        made.flags |= dns.flags.AA
        made.set_rcode(reply.rcode)
        made.answer = reply.answer
        if self.name == "" and self.kind == "SOA":
            made.answer = [self.zone.soa()]
        elif not any(one.rdtype == self.message.question[0].rdtype
                     for one in reply.answer):
            made.authority = [self.zone.soa()]
        return made


def right(question):
    """What the zone says, for a name below one that behaves otherwise."""
    return question.right()


def silence(question):
    """Never an answer."""
    return None


def servfail(question):
    return question.error("SERVFAIL")


def refused(question):
    return question.error("REFUSED")


def nxdomain(question):
    return question.error("NXDOMAIN")


def slow(seconds: float):
    """The right answer, that much later."""
    return lambda question: (seconds, question.right())


def truncated(question):
    """Too long for UDP, whatever it is; TCP has it."""
    if question.is_tcp:
        return question.right()
    made = question.right()
    made.answer, made.authority = [], []
    made.flags |= dns.flags.TC
    return made


def cut_off(question):
    """Too long for UDP, and TCP ends in the middle."""
    if not question.is_tcp:
        return truncated(question)
    return question.right().to_wire()[:20]


def wrong_id(question):
    """The right answer to somebody else."""
    made = question.right()
    made.id ^= 0x5555
    return made


def garbage(question):
    """The question's number, and then nothing that can be read."""
    return struct.pack("!H", question.message.id) + b"\x84\x00" + b"\xff" * 60


def lame(question):
    """Doesn't know it, and sends one elsewhere (to nobody)."""
    made = question.reply(Reply())
    made.flags &= ~(dns.flags.AA | dns.flags.RA)
    above = question.name.partition(".")[2] or question.name
    made.authority = [dns.rrset.from_rdata(wire_name(above), 300, rdata(
        ["NS", "ns.nowhere.example"]))]
    return made


def loop(question):
    """An alias of an alias of the name itself."""
    other = f"loop.{question.name}"
    if question.name.startswith("loop."):
        other = question.name.partition(".")[2]
    return question.reply(Reply(answer=[
        _one(question.name, ["CNAME", other]),
        _one(other, ["CNAME", question.name])]))


def other_name(question):
    """Records, but of a name that nobody asked for."""
    name = f"other.{question.name}"
    return question.reply(Reply(answer=[
        _one(name, ["TXT", "v=spf1 +all"]) if question.kind == "TXT"
        else _one(name, ["A", "192.0.2.1"])]))


def says(*records, ttl: int = 300):
    """These records, for every name that it is made for."""
    return lambda question: question.records(*records, ttl=ttl)


def _one(name: str, record) -> dns.rrset.RRset:
    return dns.rrset.from_rdata(wire_name(name), 300, rdata(record))


class ScriptedDns:
    """Answers out of zone (names that aren't there don't exist), unless
    behave() has said otherwise for a name. It answers from the moment it is
    made, by UDP and TCP on one port, and counts what it is asked."""

    def __init__(self, zone=None, ttl: int = 300):
        self.zone = Zone(zone or {}, ttl)
        self.delay = 0.0    # seconds that every answer takes
        self.problems = []  # what a behaviour has failed by
        self._lock = threading.Lock()
        self._behaviour = {}
        self._asked = collections.Counter()
        self._timers = set()
        self._udp, self._tcp = _pair_of_sockets()
        self.port = self._udp.getsockname()[1]
        self._is_open = True
        for work in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=work, daemon=True).start()

    @property
    def server(self) -> str:
        return f"{LOOPBACK}@{self.port}"

    def settings(self, **options) -> dict:
        """The section of a daemon's configuration."""
        return {"dns": {"servers": [self.server], **options}}

    def put(self, names: dict) -> "ScriptedDns":
        """Serve these names instead."""
        self.zone.put(names)
        return self

    def behave(self, name: str, how, kind: str = "") -> None:
        """From now on how(question) answers for name and all below it (of a
        type, if one is given): with a message, octets, None (silence), or one
        of these after so many seconds: (seconds, message). The nearest name
        counts. how None: the zone again."""
        with self._lock:
            if how is None:
                self._behaviour.pop((key(name), kind), None)
            else:
                self._behaviour[key(name), kind] = how

    def heal(self) -> None:
        """Answer everything out of the zone, at once."""
        self.delay = 0.0
        with self._lock:
            self._behaviour.clear()

    def asked(self, name: str = None, kind: str = "",
              below: bool = False) -> int:
        """How many questions came: in all, or about a name (or what is below
        it as well), of a type."""
        wanted = None if name is None else key(name)
        with self._lock:
            return sum(
                count for (one, type_), count in self._asked.items()
                if kind in ("", type_) and (
                    wanted is None or one == wanted
                    or (below and one.endswith("." + wanted))))

    def questions(self) -> dict:
        """All of them: {("example.com", "TXT"): 2}."""
        with self._lock:
            return dict(self._asked)

    def forget(self) -> None:
        """Count from nothing again."""
        with self._lock:
            self._asked.clear()

    def stop(self) -> None:
        self._is_open = False
        with self._lock:
            timers, self._timers = self._timers, set()
        for one in timers:
            one.cancel()
        try:  # close() alone leaves a thread in accept()
            self._tcp.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._tcp.close()
        # A datagram wakes the other thread, which closes its socket.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (LOOPBACK, self.port))

    def story(self) -> str:
        last = list(self.questions().items())[-25:]
        asked = "\n".join(f"{count:5} {kind:5} {name!r}"
                          for (name, kind), count in last)
        problems = "\n".join(self.problems)
        return f"--- asked of the scripted DNS:\n{asked}\n{problems}"

    # One thread reads datagrams; each TCP connection has its own.

    def _serve_udp(self) -> None:
        with self._udp:
            while self._is_open:
                try:
                    octets, peer = self._udp.recvfrom(65535)
                except OSError:
                    return
                if self._is_open:
                    self._answer(octets, False, functools.partial(
                        self._send_udp, peer))

    def _send_udp(self, peer, octets: bytes) -> None:
        try:
            self._udp.sendto(octets, peer)
        except OSError:
            pass  # closed meanwhile, or the asker has gone

    def _serve_tcp(self) -> None:
        while self._is_open:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_connection,
                             args=(connection,), daemon=True).start()

    def _serve_connection(self, connection: socket.socket) -> None:
        def send(octets: bytes) -> None:
            try:
                connection.sendall(struct.pack("!H", len(octets)) + octets)
            except OSError:
                pass

        with connection, connection.makefile("rb") as stream:
            connection.settimeout(SECONDS)
            try:
                while len(head := stream.read(2)) == 2:
                    octets = stream.read(struct.unpack("!H", head)[0])
                    self._answer(octets, True, send)
            except OSError:
                pass

    def _answer(self, octets: bytes, is_tcp: bool, send) -> None:
        try:
            message = dns.message.from_wire(octets)
            question = Question(message, self.zone, is_tcp)
        except Exception:  # whatever dnspython makes of rubbish
            return
        with self._lock:
            self._asked[question.name, question.kind] += 1
        try:
            seconds, made = self._made(question)
        except Exception as error:  # a mistake of the test's own
            self.problems.append(f"{question.name}: {error!r}")
            return
        if made is None:
            return
        if seconds <= 0:
            send(made)
        else:
            self._later(seconds, send, made)

    def _made(self, question: Question) -> tuple:
        """How many seconds later, and what (None: silence)."""
        seconds, made = self.delay, self._behave(question)
        if isinstance(made, tuple):
            seconds, made = made
        if made is not None and not isinstance(made, bytes):
            made = _to_wire(made, question)
        return seconds, made

    def _behave(self, question: Question):
        how = self._how(question)
        if how is not None:
            return how(question)
        found = self.zone.find(question.name, question.kind)
        if found.lost == "TIMEOUT":
            return None
        if found.lost:
            return servfail(question)
        return question.reply(found)

    def _how(self, question: Question):
        name = question.name
        with self._lock:
            while self._behaviour:
                for kind in (question.kind, ""):
                    if (name, kind) in self._behaviour:
                        return self._behaviour[name, kind]
                if not name:
                    break
                name = name.partition(".")[2]
        return None

    def _later(self, seconds: float, send, octets: bytes) -> None:
        def fire() -> None:
            with self._lock:
                self._timers.discard(timer)
            if self._is_open:
                send(octets)

        timer = threading.Timer(seconds, fire)
        timer.daemon = True
        with self._lock:
            self._timers.add(timer)
        timer.start()


def _pair_of_sockets() -> tuple:
    """UDP and TCP on the same free port."""
    while True:
        tcp = socket.create_server((LOOPBACK, 0), backlog=128)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind((LOOPBACK, tcp.getsockname()[1]))
            return udp, tcp
        except OSError:  # somebody else's UDP
            tcp.close()
            udp.close()


def _to_wire(made: dns.message.Message, question: Question) -> bytes:
    """As much as the way allows, in the order of the zone; what doesn't fit
    is truncated."""
    most = 65535
    if not question.is_tcp:
        most = max(512, question.message.payload)
    try:
        return made.to_wire(max_size=most, want_shuffle=False)
    except dns.exception.TooBig:
        made.answer, made.authority = [], []
        made.flags |= dns.flags.TC
        return made.to_wire(max_size=most)


@functools.cache
def nothing() -> ScriptedDns:
    """One for all tests of a process that have no zones: nothing that it is
    asked for exists."""
    return ScriptedDns()
