"""redis: real Redis servers (or Valkey ones): one; a master with a replica
and three sentinels; a cluster of three masters. The program is
POSTERN_REDIS_SERVER, or else redis-server or valkey-server.

Each has its own directory, a unix socket and a loopback port. The user
"postern" is the daemon's; the default user, who has another password, is
ours, so that a daemon that doesn't log in gets nothing."""

import os
import shutil
import signal
import subprocess
import unittest

from .place import Place, free_ports, is_alive, tail, token, wait_until
from .resp import RedisError, Resp

USER = "postern"
SLOTS = 16384
SECONDS = 30.0
ORDERS = 3
# How long a sentinel may go without being let run before it does nothing for
# thirty seconds and gives up what it was about (TILT). By itself it allows
# two, which machines that are shared don't always keep.
STALL = 60000  # milliseconds

SERVER_CONF = """\
port {port}
bind 127.0.0.1
unixsocket {socket}
unixsocketperm 777
dir {path}
logfile {log}
daemonize no
save ""
appendonly no
protected-mode no
repl-diskless-sync yes
repl-diskless-sync-delay 0
requirepass {secret}
masterauth {secret}
user {user} on >{password} ~* &* +@all
"""

CLUSTER_CONF = """\
cluster-enabled yes
cluster-config-file nodes.conf
cluster-port {bus}
cluster-node-timeout 5000
cluster-require-full-coverage no
"""

SENTINEL_CONF = """\
port {port}
bind 127.0.0.1
dir {path}
logfile {log}
daemonize no
protected-mode no
sentinel monitor {name} 127.0.0.1 {master} 2
sentinel auth-pass {name} {secret}
sentinel down-after-milliseconds {name} 500
sentinel failover-timeout {name} 4000
sentinel parallel-syncs {name} 1
"""


def program() -> str:
    """Which Redis; a test without any is skipped."""
    for name in (os.environ.get("POSTERN_REDIS_SERVER"), "redis-server",
                 "valkey-server"):
        found = name and shutil.which(name)
        if found:
            return found
    raise unittest.SkipTest("no redis-server")


class Process:
    """One process of Redis with its configuration file."""

    def __init__(self, place: Place, name: str, conf: str, port: int,
                 socket: str = "", password: str = "", options=()):
        self.name = name
        self.path = place.at(name)
        self.log = os.path.join(self.path, "log")
        self.port = port
        self.socket = socket
        self.secret = password  # of the default user
        self._file = place.write(os.path.join(name, "conf"), conf)
        self._options = list(options)
        self._process = None

    def start(self) -> "Process":
        self._process = subprocess.Popen(
            [program(), self._file, *self._options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd=self.path)
        try:
            wait_until(self._answers, f"an answer of {self.name}", SECONDS)
        except (TimeoutError, ChildProcessError) as error:
            self.kill()
            raise RuntimeError(f"{error}\n{tail(self.log)}") from None
        return self

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise ChildProcessError(f"{self.name} ended with "
                                    f"{self._process.returncode}")
        try:
            return self.call("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and is_alive(self._process.pid)

    def stop(self) -> None:
        """Ask it to end; it may stand still, and it may have ended."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash would be."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> "Process":
        """Dead or alive, begin anew, with nothing in memory."""
        self.kill()
        return self.start()

    def pause(self) -> None:
        """Stand still: the kernel takes what is sent, nobody reads it."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def client(self, user: str = "", password: str = "",
               database: int = 0) -> Resp:
        """A connection; without a user that of the default one."""
        return Resp(self.port, user, password or self.secret, database)

    def call(self, *words, database: int = 0):
        """One command of the default user, over its own connection."""
        with self.client(database=database) as client:
            return client.call(*words)

    def story(self) -> str:
        return f"--- log of {self.name}:\n{tail(self.log, 15)}"


class Server(Process):
    """One server of data."""

    def __init__(self, place: Place, name: str = "redis", extra: str = "",
                 secret: str = "", password: str = ""):
        self.port, = free_ports(1)
        path = place.make(name)
        socket = os.path.join(path, "redis.sock")
        secret = secret or token()
        self.password = password or token()
        super().__init__(place, name, SERVER_CONF.format(
            port=self.port, socket=socket, path=path, user=USER,
            log=os.path.join(path, "log"), secret=secret,
            password=self.password) + extra, self.port, socket, secret)

    def url(self, database: int = 0, port: int = 0) -> str:
        """By TCP; port may be that of a proxy."""
        return f"redis://{USER}@127.0.0.1:{port or self.port}/{database}"

    def unix_url(self, database: int = 0, socket: str = "") -> str:
        return (f"redis+unix://{socket or self.socket}?db={database}"
                f"&user={USER}")

    def info(self, section: str) -> dict:
        """INFO SECTION as a dict of texts."""
        lines = self.call("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def calls(self, command: str) -> int:
        """How often a command was called, since the statistics were reset;
        INFO commandstats has it by "cmdstat_evalsha:calls=5,...". """
        line = self.info("commandstats").get(f"cmdstat_{command}", "calls=0")
        return int(line.partition("calls=")[2].partition(",")[0])

    def commands(self) -> dict:
        """How often each command was called."""
        return {name.removeprefix("cmdstat_"):
                int(value.partition("calls=")[2].partition(",")[0])
                for name, value in self.info("commandstats").items()}

    def keys(self, pattern="*", database: int = 0) -> list:
        """All keys (octets) by SCAN, each once, in order."""
        found, cursor = set(), b"0"
        with self.client(database=database) as client:
            while True:
                cursor, some = client.call("SCAN", cursor, "MATCH", pattern,
                                           "COUNT", 1000)
                found.update(some)
                if cursor == b"0":
                    return sorted(found)

    def is_master(self) -> bool:
        return self.call("ROLE")[0] == b"master"


class Replicated:
    """A master, its replica, and three sentinels that watch them."""

    NAME = "mymaster"

    def __init__(self, place: Place):
        secret, password = token(), token()
        self.servers = [Server(place, f"redis-{number}", secret=secret,
                               password=password) for number in (1, 2)]
        self.password = password
        self.sentinels = [self._sentinel(place, number, secret)
                          for number in (1, 2, 3)]
        self.processes = self.servers + self.sentinels

    def _sentinel(self, place: Place, number: int, secret: str) -> Process:
        name = f"sentinel-{number}"
        port, = free_ports(1)
        path = place.make(name)
        return Process(place, name, SENTINEL_CONF.format(
            port=port, path=path, log=os.path.join(path, "log"),
            name=self.NAME, master=self.servers[0].port, secret=secret),
            port, options=["--sentinel"])

    def start(self) -> "Replicated":
        try:
            for server in self.servers:
                server.start()
            self.servers[1].call("REPLICAOF", "127.0.0.1",
                                 self.servers[0].port)
            wait_until(lambda: self.is_linked(self.servers[1]),
                       "the replica's link", SECONDS)
            for sentinel in self.sentinels:
                sentinel.start()
                sentinel.call("SENTINEL", "DEBUG", "TILT-TRIGGER", STALL)
            wait_until(self._is_ready, "sentinels that know each other",
                       SECONDS)
        except BaseException:
            self.kill()
            raise
        return self

    def _is_ready(self) -> bool:
        for sentinel in self.sentinels:
            words = sentinel.call("SENTINEL", "MASTER", self.NAME)
            known = dict(zip(words[::2], words[1::2]))
            if (known[b"num-slaves"], known[b"num-other-sentinels"]) \
                    != (b"1", b"2") or known[b"flags"] != b"master":
                return False
        return True

    @staticmethod
    def is_linked(server: Server) -> bool:
        role = server.call("ROLE")
        return role[0] == b"slave" and role[3] == b"connected"

    def url(self, database: int = 0, name: str = "") -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{USER}@{hosts}/{name or self.NAME}/" \
               f"{database}"

    def master(self) -> Server:
        """Whom most sentinels name."""
        ports = []
        for sentinel in self.sentinels:
            if sentinel.is_running():
                ports.append(int(sentinel.call(
                    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.NAME)[1]))
        port = max(set(ports), key=ports.count)
        return next(one for one in self.servers if one.port == port)

    def _order_fail_over(self, old: Server) -> bool:
        """Is old not the master any more, or about to be replaced?"""
        sentinel = self.sentinels[0]
        _, port = sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME",
                                self.NAME)
        if port != b"%d" % old.port:
            return True
        try:  # NOGOODSLAVE, INPROG: a moment later
            return sentinel.call("SENTINEL", "FAILOVER", self.NAME) == b"OK"
        except RedisError:
            return False

    def fail_over(self) -> Server:
        """Have the other one made master, by order; it is returned."""
        old = self.master()
        # Sentinels that can't agree in time give up what they were about.
        for _ in range(ORDERS):
            wait_until(lambda: self._order_fail_over(old),
                       "sentinels that agree to it", SECONDS)
            try:
                return self.wait_for_other(old)
            except TimeoutError:
                continue
        raise TimeoutError(f"{ORDERS} orders to fail over came to nothing")

    def wait_for_other(self, old: Server) -> Server:
        """Until all sentinels name the same new master, and have done with
        it: one that wakes up in the middle may win again."""
        def changed():
            new = self.master()
            return new if new is not old and new.is_master() \
                and self._agree_on(new) else None

        return wait_until(changed, "another master", 2 * SECONDS)

    def _agree_on(self, server: Server) -> bool:
        for sentinel in self.sentinels:
            if not sentinel.is_running():
                continue
            words = sentinel.call("SENTINEL", "MASTER", self.NAME)
            known = dict(zip(words[::2], words[1::2]))
            if known[b"port"] != b"%d" % server.port \
                    or known[b"flags"] != b"master":
                return False
        return True

    def wait_for_replica(self) -> Server:
        """Until the one that isn't the master follows the one that is, with
        nothing that it hasn't got."""
        def follows():
            master = self.master()
            other = next(one for one in self.servers if one is not master)
            return other if self.is_linked(other) \
                and other.call("ROLE")[2] == master.port else None

        return wait_until(follows, "a replica that follows", 2 * SECONDS)

    def stop(self) -> None:
        for one in reversed(self.processes):
            one.stop()

    def kill(self) -> None:
        for one in reversed(self.processes):
            one.kill()

    def story(self) -> str:
        return "\n".join(one.story() for one in self.processes)


class Cluster:
    """Three masters that share the slots."""

    def __init__(self, place: Place):
        secret, self.password = token(), token()
        self.servers = []
        for number in (1, 2, 3):
            bus, = free_ports(1)
            self.servers.append(Server(
                place, f"node-{number}", CLUSTER_CONF.format(bus=bus),
                secret, self.password))
            self.servers[-1].bus = bus

    def start(self) -> "Cluster":
        try:
            for server in self.servers:
                server.start()
            share = SLOTS // len(self.servers) + 1
            for number, server in enumerate(self.servers):
                server.call("CLUSTER", "ADDSLOTSRANGE", number * share,
                            min((number + 1) * share, SLOTS) - 1)
                server.id = server.call("CLUSTER", "MYID")
                server.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for server in self.servers[1:]:
                self.servers[0].call("CLUSTER", "MEET", "127.0.0.1",
                                     server.port, server.bus)
            wait_until(self.is_ready, "a cluster that knows itself",
                       2 * SECONDS)
        except BaseException:
            self.kill()
            raise
        return self

    def is_ready(self) -> bool:
        """Do all know each other, and who has what?"""
        for server in self.servers:
            text = server.call("CLUSTER", "INFO").decode()
            if "cluster_state:ok" not in text or \
                    "cluster_known_nodes:3" not in text or \
                    f"cluster_slots_ok:{SLOTS}" not in text:
                return False
        return True

    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.servers)
        return f"redis+cluster://{USER}@{hosts}"

    def slot(self, key) -> int:
        return self.servers[0].call("CLUSTER", "KEYSLOT", key)

    def owner(self, slot: int) -> Server:
        """Who has a slot, by its own word."""
        for server in self.servers:
            for line in server.call("CLUSTER", "NODES").decode().splitlines():
                words = line.split()
                if "myself" in words[2] and _has_slot(words[8:], slot):
                    return server
        raise LookupError(f"nobody has slot {slot}")

    def move_slot(self, slot: int, at_half=None) -> Server:
        """Move a slot to the next master, key by key, as redis-cli does; the
        new owner. at_half() is called when it is half moved: open at both
        ends, some keys here, some there."""
        source = self.owner(slot)
        at = self.servers.index(source)
        target = self.servers[(at + 1) % len(self.servers)]
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        half = source.call("CLUSTER", "COUNTKEYSINSLOT", slot) // 2
        moved = 0
        with source.client() as client:
            while True:
                if moved >= half and at_half is not None:
                    at_half()
                    at_half = None
                keys = client.call("CLUSTER", "GETKEYSINSLOT", slot, 1)
                if not keys:
                    break
                client.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000,
                            "AUTH", source.secret, "KEYS", *keys)
                moved += len(keys)
        for server in [target, source] + self.servers:
            server.call("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        return target

    def keys(self, pattern="*") -> list:
        return sorted(key for server in self.servers
                      for key in server.keys(pattern))

    def stop(self) -> None:
        for one in self.servers:
            one.stop()

    def kill(self) -> None:
        for one in self.servers:
            one.kill()

    def story(self) -> str:
        return "\n".join(one.story() for one in self.servers)


def _has_slot(words: list, slot: int) -> bool:
    """Is it in one of "0-5460", "5461", ...? What moves is in brackets."""
    for word in words:
        if word.startswith("["):
            continue
        first, _, last = word.partition("-")
        if int(first) <= slot <= int(last or first):
            return True
    return False

