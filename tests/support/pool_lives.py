"""Whole lives of an energy community: later versions of its contract, and everybody's file of each close."""

from support.pools import USERS, Community, proof_of
from support.uploads import Randomness
from tallystick_cloud.contracts.service import approve, propose
from tallystick_cloud.errors import NotFound
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.parties.store import ids_by_name
from tallystick_protocol import cose
from tallystick_protocol.ids import H32, sha256
from tallystick_protocol.money.contract_toml import draft_contract
from tallystick_protocol.pool_settlement import PoolProof
from tallystick_protocol.records import Approval
from tallystick_protocol.verify.pool import verify_pool

PARTIES = ("CER", "GSE", "Social fund", "Software")
EVERYBODY = (*PARTIES, *USERS)
OF_A_PARTY = ("receivable", "payable", "fund")
DORA = '[[party]]\nname = "Dora"\nroles = ["user"]\nkey = "hosted"\n'
"""For `more` of `open_community`: somebody who moves in later."""


def agree(cer: Community, text: str) -> None:
    """The next version of the contract; every party says yes."""
    before, books = cer.versions()[-1], cer.books
    ids = books.database.read_now(ids_by_name, "cer")
    random = Randomness(f"after {before.h.hex()}")
    number = before.contract.version + 1
    draft = draft_contract(text, ids, random.bytes, prev=H32(before.h), version=number)
    context, hosted = books.aggregator.of("cer"), books.founded.hosted
    envelope = cose.sign(hosted[ids["CER"]], cose.ContentType.CONTRACT, draft.contract.encode())
    h = H32(books.run(propose, context, envelope, cer.now_ms, draft.openings).h)  # type: ignore[attr-defined]
    for name in PARTIES[1:]:
        said = Approval(random.bytes(16), h, ids[name], True)  # type: ignore[arg-type]
        books.run(approve, context, cose.sign(hosted[ids[name]], cose.ContentType.APPROVAL, said.encode()), cer.now_ms)
    assert cer.versions()[-1].h == h


def file_of(cer: Community, name: str, period: str) -> PoolProof:
    """A valid file."""
    proof, policy = proof_of(cer, name, period)
    report = verify_pool(proof.encode(), policy)
    assert report.verdict == "valid", (name, period, report.verdict)
    return proof


def owed(cer: Community, name: str) -> int:
    return -sum(nano for (account, whose), nano in cer.balances().items() if whose == name and account in OF_A_PARTY)


def everybody(cer: Community, period: str, names: tuple[str, ...] = EVERYBODY) -> dict[str, int | None]:
    """What each is owed, as a valid file of the newest close says it, and the books; None: there is no file."""
    assert cer.books.audit() == []
    found: dict[str, int | None] = {}
    for name in names:
        try:
            said = file_of(cer, name, period).statement
        except NotFound:
            found[name] = None
            continue
        assert said is not None
        assert said.statement.closing == owed(cer, name), name
        found[name] = said.statement.closing
    return found


def move(cer: Community, name: str, account: Account, nano: int, cause: str) -> None:
    """Money that was paid out, or came in, under the pool's contract."""
    ids, chain = cer.books.database.read_now(ids_by_name, "cer"), cer.versions()[0].chain
    lines = {
        Line(ids["CER"], account, ids[name], chain, "EUR"): nano,
        Line(ids["CER"], Account.BANK, ids["CER"], bytes(32), "EUR"): -nano,
    }
    entry = journals.Entry(f"test:{cause}", cause, sha256(cause.encode()), lines)
    cer.books.database.write_now(journals.post, "cer", [entry], cer.now_ms)
