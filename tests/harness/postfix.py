"""postfix: a private Postfix instance below a temporary directory.

Nothing of /etc/postfix is read or changed but what Debian's programs look up
there by themselves. Every service listens on loopback, on a port that was
free. Needs root (Postfix's master does)."""

import grp
import json
import os
import pwd
import signal
import socket
import subprocess

from .keys import certificate
from .place import Place, free_ports, is_alive, tail, wait_until

HOST = "host.postern.example"
SOCKET = "postern/postern.sock"  # below the queue directory

# Where sinks are reached: a recipient domain of its own for each way.
DOMAIN_7BIT = "seven.example"    # the next hop has no 8BITMIME
DOMAIN_KEPT = "kept.example"     # the same, but Postfix may not convert
DOMAIN_LONG = "long.example"     # no limit on the length of a line
DOMAIN_RELAY = "inbound.example"  # taken from anybody

MAIN_CF = """\
compatibility_level = 3.6
enable_long_queue_ids = yes
config_directory = {etc}
queue_directory = {spool}
data_directory = {data}
maillog_file = {log}
maillog_file_prefixes = {top}
mail_owner = postfix
setgid_group = postdrop
myhostname = {host}
myorigin = $myhostname
mydestination = $myhostname, localhost
relay_domains = {relay}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8 192.0.2.0/24
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated
    defer_unauth_destination
alias_maps =
alias_database =
local_recipient_maps =
biff = no
append_dot_mydomain = no
recipient_delimiter = +
relayhost = [127.0.0.1]:{sink}
transport_maps = texthash:{etc}/transport
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
notify_classes =
bounce_queue_lifetime = 1d
maximal_queue_lifetime = 1d
message_size_limit = 52428800
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
in_flow_delay = 0
local_header_rewrite_clients =
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_client_event_limit_exceptions = 0.0.0.0/0
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = $myhostname
cyrus_sasl_config_path = {etc}/sasl
smtpd_tls_security_level = may
smtpd_tls_cert_file = {etc}/tls.pem
smtpd_tls_key_file = {etc}/tls.key
smtpd_tls_session_cache_database =
smtpd_milters = unix:{socket}
non_smtpd_milters = unix:{socket}
milter_default_action = {default_action}
milter_connect_timeout = 10s
internal_mail_filter_classes = bounce
"""

MASTER_CF = """\
{smtp}        inet  n - n - - smtpd
{submission}  inet  n - n - - smtpd
    -o syslog_name=postfix/submission
{bare}        inet  n - n - - smtpd
    -o smtpd_milters=
{chrooted}    inet  n - y - - smtpd
    -o smtpd_sasl_auth_enable=no
    -o smtpd_tls_security_level=none
pickup        unix  n - n 1 1 pickup
cleanup       unix  n - n - 0 cleanup
qmgr          unix  n - n 300 1 qmgr
rewrite       unix  - - n - - trivial-rewrite
bounce        unix  - - n - 0 bounce
defer         unix  - - n - 0 bounce
trace         unix  - - n - 0 bounce
verify        unix  - - n - 1 verify
flush         unix  n - n 1000? 0 flush
proxymap      unix  - - n - - proxymap
smtp          unix  - - n - - smtp
relay         unix  - - n - - smtp
kept          unix  - - n - - smtp
    -o disable_mime_output_conversion=yes
long          unix  - - n - - smtp
    -o smtp_line_length_limit=0
showq         unix  n - n - - showq
error         unix  - - n - - error
retry         unix  - - n - - error
discard       unix  - - n - - discard
anvil         unix  - - n - 1 anvil
scache        unix  - - n - 1 scache
tlsmgr        unix  - - n 1000? 1 tlsmgr
postlog       unix-dgram n - n - 1 postlogd
"""

SASL_CONF = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: {etc}/sasl/users
"""


class Postfix:
    """One instance. Ports: smtp (as 25), submission (as 587), bare (no
    milter), chrooted (smtpd in its chroot)."""

    def __init__(self, place: Place, sink_port: int, sink7_port: int,
                 default_action: str = "tempfail", **settings):
        self.place = place
        (self.smtp, self.submission, self.bare,
         self.chrooted) = free_ports(4)
        owner = pwd.getpwnam("postfix")
        self.etc = place.make("postfix", "etc")
        self.spool = place.make("postfix", "spool")
        self.data = place.make("postfix", "data", mode=0o700,
                               uid=owner.pw_uid, gid=owner.pw_gid)
        self.log = place.at("postfix", "mail.log")
        self.socket = os.path.join(self.spool, SOCKET)
        self._write_main(sink_port, default_action, settings)
        self._write_master()
        self._write_transport(sink_port, sink7_port)
        self._write_sasl()
        certificate(os.path.join(self.etc, "tls"), HOST)
        self._pid = None

    def _write(self, name: str, text: str) -> None:
        self.place.write(os.path.join("postfix", "etc", name), text)

    def _write_main(self, sink: int, action: str, settings: dict) -> None:
        text = MAIN_CF.format(
            etc=self.etc, spool=self.spool, data=self.data, log=self.log,
            top=self.place.path, host=HOST, relay=DOMAIN_RELAY, sink=sink,
            socket=SOCKET, default_action=action)
        # A later line of main.cf wins, with a warning nobody reads here; so
        # leave the earlier one out.
        kept = [line for line in text.splitlines()
                if line.split(" ")[0] not in settings]
        kept += [f"{name} = {value}" for name, value in settings.items()]
        self._write("main.cf", "\n".join(kept) + "\n")

    def _write_master(self) -> None:
        self._write("master.cf", MASTER_CF.format(
            smtp=self.smtp, submission=self.submission, bare=self.bare,
            chrooted=self.chrooted))

    def _write_transport(self, sink: int, sink7: int) -> None:
        self._write("transport", "".join(
            f"{domain} {service}:[127.0.0.1]:{port}\n"
            for domain, service, port in (
                (DOMAIN_7BIT, "smtp", sink7), (DOMAIN_KEPT, "kept", sink7),
                (DOMAIN_LONG, "long", sink))))

    def _write_sasl(self) -> None:
        self.place.make("postfix", "etc", "sasl")
        self._write("sasl/smtpd.conf", SASL_CONF.format(etc=self.etc))
        self.add_login("nobody", HOST, "unused")  # sasldb must exist

    def add_login(self, user: str, realm: str, password: str) -> None:
        """Somebody for SASL, in Cyrus' own database."""
        path = os.path.join(self.etc, "sasl", "users")
        subprocess.run(["/usr/sbin/saslpasswd2", "-p", "-c", "-f", path,
                        "-u", realm, user], input=password.encode(),
                       check=True, timeout=20, stdout=subprocess.DEVNULL)
        os.chown(path, pwd.getpwnam("postfix").pw_uid, -1)

    def start(self) -> "Postfix":
        self._run("postfix", "start")
        with open(os.path.join(self.spool, "pid", "master.pid")) as file:
            self._pid = int(file.read())
        wait_until(self._greets, f"220 from Postfix\n{tail(self.log)}", 30)
        return self

    def stop(self) -> None:
        """Stop it, and see to it that it is gone."""
        if self._pid is None:
            return
        self._run("postfix", "stop", check=False)
        try:
            wait_until(lambda: not is_alive(self._pid), "Postfix to end", 15)
        except TimeoutError:
            os.kill(self._pid, signal.SIGKILL)
            raise
        finally:
            self._pid = None

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.smtp),
                                          timeout=5) as probe:
                return probe.recv(3) == b"220"
        except OSError:
            return False

    def _run(self, program: str, *arguments: str, check: bool = True):
        """One of Postfix's own programs, on this instance."""
        ran = subprocess.run(
            [f"/usr/sbin/{program}", "-c", self.etc, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
            stdin=subprocess.DEVNULL, env=_environment())
        if check and ran.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(arguments)}: "
                               f"{ran.stdout.decode(errors='replace')}\n"
                               f"{tail(self.log)}")
        return ran.stdout.decode(errors="replace")

    def queue(self, name: str = "") -> list:
        """What is in the queue (or only in "hold", "deferred", ...)."""
        entries = [json.loads(line) for line
                   in self._run("postqueue", "-j").splitlines() if line]
        return [one for one in entries
                if not name or one["queue_name"] == name]

    def held(self, rcpt: str) -> list:
        """Messages on hold for a recipient."""
        return [one for one in self.queue("hold")
                if any(to["address"].startswith(rcpt)
                       for to in one["recipients"])]

    def release(self, queue_id: str) -> None:
        """Let go what is on hold, and deliver it now."""
        self._run("postsuper", "-H", queue_id)
        self._run("postqueue", "-i", queue_id)

    def retry(self, queue_id: str) -> None:
        """Deliver now what was deferred."""
        self._run("postqueue", "-i", queue_id)

    def delete(self, queue_id: str) -> None:
        self._run("postsuper", "-d", queue_id)

    def content(self, queue_id: str) -> bytes:
        """Header and body of a queued message, LF line ends."""
        return subprocess.run(
            ["/usr/sbin/postcat", "-c", self.etc, "-hbq", queue_id],
            stdout=subprocess.PIPE, check=True, timeout=60).stdout

    def sendmail(self, arguments: list, message: bytes,
                 uid: int = 0) -> subprocess.CompletedProcess:
        """sendmail(1), as uid. A set-gid postdrop would refuse another
        configuration directory than the system's from an ordinary user; who
        already is of that group isn't asked."""
        gid = grp.getgrnam("postdrop").gr_gid
        return subprocess.run(
            ["/usr/sbin/sendmail", *arguments],
            input=message.replace(b"\r\n", b"\n"), timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
            user=uid, group=gid, extra_groups=[],
            env={**_environment(), "MAIL_CONFIG": self.etc})


def _environment() -> dict:
    """Without what would lead Postfix elsewhere (MAIL_CONFIG, ...)."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
