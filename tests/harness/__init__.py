"""What the tests start, drive and look at: a private Postfix, an SMTP sink,
the daemon under test, our own milter and SMTP clients, DKIM verifiers, Redis
in all its forms and a bad network before it.

Each module has one job; world.py puts them together for tests/e2e. Python's
standard library and python3-dkim are all that is needed. Everything runs on
loopback below one temporary directory, and is stopped by its process id.
"""
