"""Puts off loading modules that libraries import and this program never uses, because a small board has 512 MB.
It changes nothing about a module: whoever uses it after all gets it, at the first look or at the first call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

PLAIN = (
    "inspect",  # asyncio has it for what is not a coroutine, dataclasses for texts: see `without_texts`
    "ipaddress",  # urllib.parse has it for addresses in brackets
    "locale",  # subprocess has it for text
    "random",  # cryptography has it for RSA keys in parts
    "serial",  # pymodbus has it for lines on a serial adapter, which use it then
    "tokenize",  # linecache has it for the source lines of a traceback
    "unicodedata",  # the protocol has it for text outside ASCII
    "urllib.request",  # paho has it for websockets through a proxy
    "uuid",  # paho has it for clients without a name
)
"""Modules of which importers look at names only when they use them."""

CALLED = (
    "asyncio.sslproto",  # TLS inside the event loop, which HTTPS uses and MQTT does not
    "cryptography.hazmat.primitives.serialization.ssh",  # keys in OpenSSH's form
    "pymodbus.client.tls",  # Modbus over TLS, which comes with a TLS context of its own
    "pymodbus.client.udp",
    "pymodbus.pdu.bit_message",  # what we never ask; an answer of such a kind is one that cannot be read
    "pymodbus.pdu.diag_message",
    "pymodbus.pdu.file_message",
    "pymodbus.pdu.mei_message",
    "pymodbus.pdu.other_message",
    "pymodbus.datastore",  # the registers of a server, and its simulator
)
"""Modules from which importers take names at once, and call them only when they use them."""


def put_off() -> None:
    """At the very start of a process that runs for months; modules that are loaded already stay as they are."""
    for name in PLAIN:
        not_before_used(name)
    if sys.flags.optimize > 1:
        without_texts()
    for name in CALLED:
        not_before_called(name)


def without_texts() -> None:
    """Dataclasses writes a docstring with the signature for each class that has none: with -OO no class has one."""
    import dataclasses

    dataclasses.inspect = _Unsigned("inspect")  # type: ignore[attr-defined]


class _Unsigned(ModuleType):
    """The module inspect, except that no class shows its signature."""

    def signature(self, *_: object, **__: object) -> str:
        return ""

    def __getattr__(self, name: str) -> object:
        return getattr(import_module("inspect"), name)


def not_before_used(name: str) -> None:
    """The first look at any of its names loads it.

    importlib.util.LazyLoader does not serve here: a second `import` of its module looks at `__spec__` and loads it."""
    if name in sys.modules:
        return
    placeholder = _placeholder(name, lambda attribute: getattr(_loaded(name, placeholder), attribute))
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(import_module(parent), child, placeholder)


def not_before_called(name: str) -> None:
    """For `from module import name`: what is taken stands for a class or function, and calling it loads the module.

    Its parent is not touched, because importing that would load the rest of the library."""
    if name in sys.modules:
        return

    def stand_in(attribute: str) -> Callable[..., object]:
        def call(*values: object, **named: object) -> object:
            found: object = getattr(_loaded(name, placeholder), attribute)(*values, **named)
            return found

        return call

    placeholder = _placeholder(name, stand_in)


def _placeholder(name: str, look: Callable[[str], object]) -> ModuleType:
    module = ModuleType(name)

    def attribute_of(attribute: str) -> object:
        if attribute.startswith("__"):
            raise AttributeError(attribute)  # the import machinery looks at these
        return look(attribute)

    module.__getattr__ = attribute_of  # type: ignore[method-assign]
    sys.modules[name] = module
    return module


def _loaded(name: str, placeholder: ModuleType) -> ModuleType:
    if sys.modules.get(name) is placeholder:
        del sys.modules[name]
    return import_module(name)
