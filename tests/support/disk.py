"""A disk between SQLite and the real one: records what is written and synced, and fails when a test says so.
It is a VFS registered through ctypes in the library that Python's sqlite3 uses: no compiler, the agent unchanged."""

from __future__ import annotations

import _sqlite3
import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p, string_at
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from tallystick_edge import rewrite, switch

# sqlite3.h, "Result Codes" and "Flags For File Open Operations"
OK, IOERR, FULL = 0, 10, 13
IOERR_WRITE, IOERR_FSYNC, IOERR_TRUNCATE = IOERR | 3 << 8, IOERR | 4 << 8, IOERR | 6 << 8
OPEN_CREATE, OPEN_MAIN_JOURNAL, OPEN_WAL = 0x4, 0x800, 0x80000
VFS_NAME = b"tallystick-test-disk"


class Kind(Enum):
    """What the disk was told."""

    CREATE = "create"
    WRITE = "write"
    TRUNCATE = "truncate"
    DELETE = "delete"
    RENAME = "rename"
    SYNC = "sync"
    SYNC_FAILED = "sync failed"
    SYNC_FOLDER = "sync folder"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Op:
    """One thing, in the order asked for; `offset` is the new size of a truncate. `mark` is the test's."""

    kind: Kind
    file: str = ""
    inode: int = 0  # a name that was deleted and made again is another file
    offset: int = 0
    data: bytes = b""
    mark: object = None


class _File(Structure):
    _fields_ = [("methods", c_void_p)]


class _Vfs(Structure):
    pass


_OPEN = CFUNCTYPE(c_int, POINTER(_Vfs), c_void_p, POINTER(_File), c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, POINTER(_Vfs), c_char_p, c_int)
_CLOSE = CFUNCTYPE(c_int, POINTER(_File))
_WRITE = CFUNCTYPE(c_int, POINTER(_File), c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, POINTER(_File), c_int64)
_SYNC = CFUNCTYPE(c_int, POINTER(_File), c_int)
_VFS_REST = ("access", "full_path", "dl_open", "dl_error", "dl_sym", "dl_close", "random", "sleep", "time", "error")
_Vfs._fields_ = [
    ("version", c_int),
    ("file_bytes", c_int),
    ("path_max", c_int),
    ("next", c_void_p),
    ("name", c_char_p),
    ("app", c_void_p),
    ("open", _OPEN),
    ("delete", _DELETE),
    *((name, c_void_p) for name in (*_VFS_REST, "time64", "set_call", "get_call", "next_call")),
]
_METHODS_REST = ("size", "lock", "unlock", "reserved", "control", "sector", "traits", "shm_map", "shm_lock")


class _Methods(Structure):
    _fields_ = [
        ("version", c_int),
        ("close", _CLOSE),
        ("read", c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        *((name, c_void_p) for name in (*_METHODS_REST, "shm_barrier", "shm_unmap", "fetch", "unfetch")),
    ]


@dataclass
class Disk:
    """What happened under `folder` since it was installed. `fails` may answer an SQLite error code for an operation;
    `anyway` says whether it happened all the same."""

    folder: Path
    ops: list[Op] = field(default_factory=list)
    fails: Callable[[Op], int] = lambda op: OK
    anyway: Callable[[Op], bool] = lambda op: False
    failures: int = 0
    inodes: dict[str, int] = field(default_factory=dict)
    _made: int = 0

    def inode(self, name: str) -> int:
        """Of the file that has this name now."""
        return self.inodes[name]

    def created(self, name: str) -> None:
        """A new file under this name."""
        self.inodes[name] = self._made = self._made + 1
        self.ops.append(Op(Kind.CREATE, name, self.inodes[name]))

    really_syncs: bool = False

    def mark(self, value: object) -> None:
        """Put the test's own knowledge at this place of the recording."""
        self.ops.append(Op(Kind.MARK, mark=value))

    def asked(self, op: Op, act: Callable[[], int]) -> int:
        """Do and record, or fail; a sync that failed is recorded, because what it left behind is never synced again."""
        failure = self.fails(op)
        if failure:
            self.failures += 1
            if op.kind is Kind.SYNC:
                self.ops.append(Op(Kind.SYNC_FAILED, op.file, op.inode))
            elif self.anyway(op) and act() == OK:
                self.ops.append(op)
            return failure
        code = act()
        if code == OK:
            self.ops.append(op)
        return code


_SHIMS: list[object] = []  # a connection that a failing test left open still calls into its shim


def _library() -> Any:
    return ctypes.CDLL(_sqlite3.__file__)  # symbols of what it is linked with are found through it


@contextmanager
def disk_under(folder: Path, disk: Disk | None = None) -> Iterator[Disk]:
    """SQLite files opened meanwhile in `folder` go through the Disk. Close connections before the end."""
    library = _library()
    library.sqlite3_vfs_find.restype = POINTER(_Vfs)
    base = library.sqlite3_vfs_find(None)
    shim = _Shim(disk or Disk(folder), base.contents, base)
    _SHIMS.append(shim)
    real_os = rewrite.os
    rewrite.os = switch.os = _Os(shim.disk)  # type: ignore[assignment]
    if library.sqlite3_vfs_register(ctypes.byref(shim.vfs), 1) != OK:
        raise RuntimeError("SQLite took no VFS")
    try:
        yield shim.disk
    finally:
        rewrite.os = switch.os = real_os
        library.sqlite3_vfs_register(base, 1)
        library.sqlite3_vfs_unregister(ctypes.byref(shim.vfs))


class _Os:
    """The `os` that the journal's rewriting and switching use, on the same Disk."""

    O_RDWR, O_RDONLY, O_CREAT, O_TRUNC = os.O_RDWR, os.O_RDONLY, os.O_CREAT, os.O_TRUNC

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._names: dict[int, tuple[str, int]] = {}
        self.pread, self.close = os.pread, os.close

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        is_new = bool(flags & os.O_CREAT)
        if is_new:
            path.unlink(missing_ok=True)
        descriptor = os.open(path, flags, mode)
        if is_new:
            self._disk.created(path.name)
        self._names[descriptor] = (path.name, self._disk.inode(path.name)) if path.is_file() else ("", 0)
        return descriptor

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        op = Op(Kind.WRITE, *self._names[descriptor], offset, data)
        self._try(op, lambda: min(0, os.pwrite(descriptor, data, offset)))
        return len(data)

    def fsync(self, descriptor: int) -> None:
        name, inode = self._names[descriptor]
        self._try(Op(Kind.SYNC, name, inode) if name else Op(Kind.SYNC_FOLDER), lambda: OK)

    def rename(self, source: Path, target: Path) -> None:
        inode = self._disk.inode(source.name)
        self._try(
            Op(Kind.RENAME, source.name, inode, data=target.name.encode()), lambda: os.rename(source, target) or OK
        )
        self._disk.inodes[target.name] = inode
        del self._disk.inodes[source.name]

    def unlink(self, path: Path) -> None:
        if not path.exists():
            raise FileNotFoundError(path)
        self._try(Op(Kind.DELETE, path.name), lambda: os.unlink(path) or OK)

    def link(self, source: Path, target: Path) -> None:
        inode = self._disk.inodes[target.name] = self._disk.inode(source.name)
        self._try(Op(Kind.CREATE, target.name, inode), lambda: os.link(source, target) or OK)

    def _try(self, op: Op, act: Callable[[], int]) -> None:
        code = self._disk.asked(op, act)
        if code != OK:
            raise OSError(errno.ENOSPC if code == FULL else errno.EIO, os.strerror(errno.EIO))


class _Shim:
    """The two tables of functions that SQLite calls; they live as long as the VFS is registered."""

    def __init__(self, disk: Disk, base: _Vfs, base_pointer: Any) -> None:
        self.disk, self._base, self._base_pointer = disk, base, base_pointer
        self._names: dict[int, tuple[str, int]] = {}
        self._real: dict[int, _Methods] = {}
        self._tables: dict[int, _Methods] = {}
        self._new: set[str] = set()
        self.vfs = _Vfs()
        ctypes.memmove(ctypes.byref(self.vfs), ctypes.byref(base), ctypes.sizeof(_Vfs))
        self.vfs.name, self.vfs.next = VFS_NAME, None
        self.vfs.open, self.vfs.delete = _OPEN(self._open), _DELETE(self._delete)
        self._calls = (_CLOSE(self._close), _WRITE(self._write), _TRUNCATE(self._truncate), _SYNC(self._sync))

    def _open(self, vfs: Any, name: int | None, file: Any, flags: int, out: Any) -> int:
        path = Path(string_at(name).decode()) if name else None
        recorded = path is not None and path.parent == self.disk.folder
        is_new = recorded and path is not None and not path.exists()
        code = int(self._base.open(self._base_pointer, name, file, flags, out))
        if code != OK or not recorded or path is None or not file.contents.methods:
            return code
        if is_new:
            self.disk.created(path.name)
            if flags & (OPEN_MAIN_JOURNAL | OPEN_WAL):  # SQLite syncs the folder with the first sync of these
                self._new.add(path.name)
        key = ctypes.addressof(file.contents)
        self._names[key] = path.name, self.disk.inode(path.name)
        table = file.contents.methods
        if table not in self._tables:
            self._real[table] = real = _Methods.from_address(table)
            self._tables[table] = ours = _Methods()
            ctypes.memmove(ctypes.byref(ours), ctypes.byref(real), ctypes.sizeof(_Methods))
            ours.close, ours.write, ours.truncate, ours.sync = self._calls
        ours = self._tables[table]
        self._real[ctypes.addressof(ours)] = self._real[table]
        file.contents.methods = ctypes.addressof(ours)
        return code

    def _methods(self, file: Any) -> _Methods:
        return self._real[file.contents.methods]

    def _name(self, file: Any) -> tuple[str, int]:
        return self._names[ctypes.addressof(file.contents)]

    def _close(self, file: Any) -> int:
        real = self._methods(file)
        self._names.pop(ctypes.addressof(file.contents), None)
        return int(real.close(file))

    def _write(self, file: Any, data: int, length: int, offset: int) -> int:
        op = Op(Kind.WRITE, *self._name(file), offset, string_at(data, length))
        return self.disk.asked(op, lambda: int(self._methods(file).write(file, data, length, offset)))

    def _truncate(self, file: Any, size: int) -> int:
        op = Op(Kind.TRUNCATE, *self._name(file), size)
        return self.disk.asked(op, lambda: int(self._methods(file).truncate(file, size)))

    def _sync(self, file: Any, flags: int) -> int:
        name, inode = self._name(file)
        really = (lambda: int(self._methods(file).sync(file, flags))) if self.disk.really_syncs else (lambda: OK)
        code = self.disk.asked(Op(Kind.SYNC, name, inode), really)
        if code == OK and name in self._new:
            self._new.discard(name)
            self.disk.ops.append(Op(Kind.SYNC_FOLDER))
        return code

    def _delete(self, vfs: Any, name: bytes, sync_folder: int) -> int:
        path = Path(name.decode())
        code = int(self._base.delete(self._base_pointer, name, sync_folder))
        if code == OK and path.parent == self.disk.folder:
            self.disk.ops.append(Op(Kind.DELETE, path.name))
            if sync_folder:
                self.disk.ops.append(Op(Kind.SYNC_FOLDER))
        return code
