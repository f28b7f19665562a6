"""A server's data folder: where keys, certificates and the database are, and how they are loaded.

It never creates anything but in `create`, and never widens a file's mode.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select
from tallystick_protocol.checkpoint import log_id
from tallystick_protocol.keys import P256Signer

from tallystick_cloud.ca import Authority, client_files, create_authority, load_authority, server_files
from tallystick_cloud.context import Aggregator, Context
from tallystick_cloud.db import Database, sqlite_url
from tallystick_cloud.errors import BadInput
from tallystick_cloud.keys import CommunityKeys, create_keys, load_keys, read_private, write_private
from tallystick_cloud.migrations import upgrade
from tallystick_cloud.ports import Entropy
from tallystick_cloud.schema import community

CLIENT_NAME = "aggregator"  # common name of the certificate that the broker's access list knows
NAMES = ("localhost", "127.0.0.1")  # servers on this machine, which the CA may always name


@dataclass(frozen=True, slots=True)
class Home:
    data: Path
    url: str | None = None  # another database than the one in the folder

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def tls(self) -> Path:
        return self.data / "keys" / "ca"

    def database(self) -> Database:
        """Raises BadInput when the folder was never made."""
        if not (self.tls / "ca.pem").exists():
            raise BadInput("--data", f"{self.data} is no aggregator's folder; run `tallystick init --data {self.data}`")
        return Database(self.url or sqlite_url(self.data))

    def authority(self) -> Authority:
        return load_authority(self.tls)

    def server_files(self, now: datetime) -> tuple[Path, Path]:
        authority = self.authority()
        return server_files(authority, self.tls, authority.names, now)

    def client_files(self, now: datetime) -> tuple[Path, Path]:
        """(certificate, key) of the aggregator's own client at a broker."""
        return client_files(self.authority(), self.tls, CLIENT_NAME, now)

    def community_keys(self, name: str) -> CommunityKeys:
        return load_keys(self.keys / name)

    def party_key(self, name: str, party: bytes) -> P256Signer | None:
        """The key that this server keeps for one party; None when it keeps none."""
        path = self.keys / name / "parties" / f"{party.hex()}.pem"
        return P256Signer.from_pem(read_private(path)) if path.is_file() else None

    def store_party_keys(self, name: str, hosted: Mapping[bytes, P256Signer]) -> None:
        for party, signer in hosted.items():
            write_private(self.keys / name / "parties" / f"{party.hex()}.pem", signer.to_pem())

    def context(self, name: str, log_origin: str, keys: CommunityKeys) -> Context:
        return Context(name, log_origin, log_id(keys.log.spki), keys, self.keys / name)

    def aggregator(self, database: Database, entropy: Entropy) -> Aggregator:
        """All communities in the database with their keys."""
        return Aggregator(database.read_now(self.contexts), self.authority(), entropy)

    def contexts(self, conn: Connection) -> dict[str, Context]:
        """Every community of a database with its keys; raises KeyStoreError for one whose keys are missing."""
        return {name: self.context(name, origin, self.community_keys(name)) for name, origin in _communities(conn)}


def create(home: Home, now: datetime, names: Sequence[str] = ()) -> None:
    """The folder, its CA and an empty database; harmless when they are there already.

    `names`: hosts beside this machine that the CA may make server certificates for. Raises BadInput for one that
    an existing CA may not name.
    """
    home.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.keys.mkdir(mode=0o700, exist_ok=True)
    if not (home.tls / "ca.pem").exists():
        home.tls.mkdir(mode=0o700, exist_ok=True)
        create_authority(home.tls, (*NAMES, *names), now)
    elif missing := set(names) - set(home.authority().names):
        raise BadInput("--name", f"{min(missing)} cannot be added to an authority that exists; make a new folder")
    database = home.database()
    try:
        database.write_now(upgrade)
    finally:
        database.close()


def create_community_keys(home: Home, name: str) -> CommunityKeys:
    """New keys of a community; those of an import that failed half-way are used again."""
    folder = home.keys / name
    return load_keys(folder) if folder.is_dir() else create_keys(folder)


def _communities(conn: Connection) -> list[tuple[str, str]]:
    rows = conn.execute(select(community.c.id, community.c.log_origin).order_by(community.c.id))
    return [(name, origin) for name, origin in rows]
