"""lmdbmap: an LMDB file as postmap(1) makes them, without Postfix' part for
it, which many hosts don't have: one file, keys and values that may end in a
NUL or not."""

import ctypes
import ctypes.util
import unittest

_NOSUBDIR = 0x4000
_SIZE = 1 << 20


class _Value(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("data", ctypes.c_void_p)]


def _library():
    name = ctypes.util.find_library("lmdb")
    if name is None:
        raise unittest.SkipTest("no liblmdb")
    library = ctypes.CDLL(name)
    library.mdb_strerror.restype = ctypes.c_char_p
    return library


def write(path: str, entries: dict, ending: bytes = b"\0") -> None:
    """Put entries into the file, beside those it has. ending: what keys and
    values have at their end; Postfix' own have a NUL."""
    library = _library()

    def do(name: str, *arguments) -> None:
        status = getattr(library, name)(*arguments)
        if status != 0:
            raise OSError(f"{path}: {name}: "
                          f"{library.mdb_strerror(status).decode()}")

    env, txn = ctypes.c_void_p(), ctypes.c_void_p()
    dbi = ctypes.c_uint()
    do("mdb_env_create", ctypes.byref(env))
    try:
        do("mdb_env_set_mapsize", env, ctypes.c_size_t(_SIZE))
        do("mdb_env_open", env, path.encode(), _NOSUBDIR, 0o644)
        do("mdb_txn_begin", env, None, 0, ctypes.byref(txn))
        do("mdb_dbi_open", txn, None, 0, ctypes.byref(dbi))
        for key, value in entries.items():
            pair = [one.encode() + ending for one in (key, value)]
            sized = [_Value(len(one), ctypes.cast(
                ctypes.c_char_p(one), ctypes.c_void_p)) for one in pair]
            do("mdb_put", txn, dbi, *[ctypes.byref(one) for one in sized], 0)
        do("mdb_txn_commit", txn)
    finally:
        library.mdb_env_close(env)
