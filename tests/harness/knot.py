"""knot: a real Knot DNS that takes dynamic updates (RFC 2136) signed with a
key, on a loopback port, for what publishes records by itself."""

import base64
import os
import secrets
import signal
import socket
import subprocess
import unittest

import dns.exception
import dns.message
import dns.query

from .dns import LOOPBACK, SECONDS
from .place import Place, free_ports, tail, wait_until

KEY = "rotate-key"

CONF = """\
server:
    listen: {address}@{port}
    rundir: "{path}"
log:
  - target: stderr
    any: info
database:
    storage: "{path}"
key:
  - id: {key}
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: update
    key: {key}
    action: update
template:
  - id: default
    storage: "{path}"
    acl: update
    zonefile-load: whole
    journal-content: none
    zonefile-sync: -1
zone:
"""

ZONE = """\
{zone}. 300 IN SOA ns1.{zone}. nobody.{zone}. 1 60 60 3600 300
{zone}. 300 IN NS ns1.{zone}.
"""


def dns_addresses(count: int) -> list:
    """Loopback addresses on whose port 53 nobody serves, as real name servers
    do. A test that can't have such a port is skipped."""
    found = []
    while len(found) < count:
        address = f"127.{secrets.randbelow(200) + 20}." \
                  f"{secrets.randbelow(250)}.{secrets.randbelow(250) + 1}"
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as one:
                    one.bind((address, 53))
        except PermissionError:
            raise unittest.SkipTest("no right to port 53") from None
        except OSError:
            continue
        found.append(address)
    return found


class Knot:
    """Serves zones: names, with the lines of a zone file that they have beside
    SOA and NS. It listens at a port of its own, or at port 53 of address."""

    def __init__(self, place: Place, zones: dict, name: str = "knot",
                 address: str = ""):
        if not os.access("/usr/sbin/knotd", os.X_OK):
            raise unittest.SkipTest("no knotd")
        self.name = name
        self.path = place.make(name)
        self.log = os.path.join(self.path, "log")
        self.address = address or LOOPBACK
        self.port = 53 if address else free_ports(1)[0]
        self._zones = list(zones)
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        text = CONF.format(address=self.address, port=self.port,
                           path=self.path, key=KEY, secret=secret)
        for zone, lines in zones.items():
            text += f"  - domain: {zone}\n    file: {zone}.zone\n"
            place.write(os.path.join(name, f"{zone}.zone"),
                        ZONE.format(zone=zone)
                        + "".join(f"{line}\n" for line in lines))
        self._conf = place.write(os.path.join(name, "knot.conf"), text)
        self._key = (f'key "{KEY}" {{ algorithm hmac-sha256; '
                     f'secret "{secret}"; }};\n')
        self._process = None

    @property
    def server(self) -> str:
        return f"{self.address}@{self.port}"

    def write_key(self, place: Place, name: str, uid: int) -> str:
        """The key for nsupdate -k, in a file that this user can read."""
        path = place.write(name, self._key, 0o600)
        os.chown(path, uid, -1)
        return path

    def start(self) -> "Knot":
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                ["/usr/sbin/knotd", "-c", self._conf], cwd=self.path,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            for zone in self._zones:
                wait_until(lambda: self._answers(zone),
                           f"{zone} of {self.name}", SECONDS)
        except (TimeoutError, ChildProcessError) as error:
            self.stop()
            raise RuntimeError(f"{error}\n{self.story()}") from None
        return self

    def _answers(self, zone: str) -> bool:
        if self._process.poll() is not None:
            raise ChildProcessError(f"{self.name} ended with "
                                    f"{self._process.returncode}")
        try:
            return bool(self._ask(zone, "SOA").answer)
        except (OSError, dns.exception.DNSException):
            return False

    def _ask(self, name: str, kind: str) -> dns.message.Message:
        query = dns.message.make_query(name, kind)
        return dns.query.tcp(query, self.address, SECONDS, self.port)

    def texts(self, name: str) -> list:
        """The TXT records at a name, their strings joined."""
        return [b"".join(one.strings).decode()
                for rrset in self._ask(name, "TXT").answer for one in rrset]

    def add(self, key_file: str, name: str, text: str) -> None:
        """Add a TXT record, as somebody else would."""
        strings = " ".join(f'"{text[at:at + 255]}"'
                           for at in range(0, len(text), 255))
        ran = subprocess.run(
            ["nsupdate", "-k", key_file], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=SECONDS,
            input=f"server {self.address} {self.port}\n"
                  f"zone {self._zone_of(name)}\n"
                  f"update add {name} 300 TXT {strings}\nsend\n".encode())
        if ran.returncode != 0:
            raise RuntimeError(ran.stdout.decode(errors="replace"))

    def _zone_of(self, name: str) -> str:
        return max((zone for zone in self._zones
                    if f".{name}".endswith(f".{zone}")), key=len)

    def stop(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def story(self) -> str:
        return f"--- log of {self.name}:\n{tail(self.log, 15)}"
