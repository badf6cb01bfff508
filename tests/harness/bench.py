"""bench: the daemon without an MTA; tests speak the milter protocol to it."""

from .keys import Keys
from .milterclient import Milter
from .place import Place, tail
from .postern import Postern


class Bench:
    """Daemon, keys and a temporary directory. Keys are made for each of
    domains before the start."""

    def __init__(self, name: str, settings=None, keys=("a.example",),
                 extra: str = "", start: bool = True):
        self.place = Place(name)
        try:
            self.postern = Postern(self.place, settings, extra=extra)
            self.keys = Keys(self.postern.keys_path,
                             self.postern.user.pw_uid,
                             self.postern.user.pw_gid)
            for domain in keys:
                self.keys.add_both(domain)
            if start:
                self.postern.start()
        except BaseException:
            self.place.remove()
            raise

    def stop(self) -> None:
        try:
            self.postern.stop()
        finally:
            self.place.remove()

    def milter(self) -> Milter:
        """A connection on which nothing has been said."""
        return Milter(self.postern.socket)

    def begun(self, **connection) -> Milter:
        """A connection past HELO."""
        return self.milter().begin(**connection)

    def send(self, sender: str, message: bytes, login: str = "",
             rcpts="r@out.example", connection=None, **how):
        """One message over one connection; the deciding answer."""
        with self.begun(**(connection or {})) as milter:
            answer = milter.message(sender, rcpts, message, login, **how)
            milter.quit()
            return answer

    def story(self) -> str:
        return f"--- log of postern:\n{tail(self.postern.log)}"
