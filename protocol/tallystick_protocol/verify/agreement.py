"""Sixth step: the settlements form chains, and the contract versions they apply are the ones that the parties agreed.
It never reads a price: it asks whose rules these are.
"""

from collections.abc import Sequence

from tallystick_protocol.codes import Scope
from tallystick_protocol.cose import ContentType
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Contract, ContractState
from tallystick_protocol.money.plan import plan_of
from tallystick_protocol.money.settle import Version
from tallystick_protocol.records import Approval
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Account, Case, Item, Leaves, ensure
from tallystick_protocol.verify.keys import signer_of
from tallystick_protocol.verify.report import Check, Misfit


def check_agreement(case: Case) -> Check:
    """Order the settlements, resolve their versions and check who agreed; raises Misfit."""
    items = case.of(ContentType.SETTLEMENT)
    ensure(bool(items), "the file", "holds no settlement, so there is nothing to verify")
    contracts = {item.h: item for item in case.of(ContentType.CONTRACT)}
    yes = _said_yes(case)
    for item in items:
        case.accounts.append(_account(case, item))
    _follow(case)
    for account in case.accounts:
        _versions(case, account, contracts)
        for place, version in enumerate(account.versions):
            _check_agreed(case, contracts[version.h], account.versions[:place], version, yes)
        _check_newer(case, account, contracts, yes)
        _check_known(case, account)
        _check_scope(case, account)
    names = sorted({account.versions[-1].contract.name for account in case.accounts})
    done = case.verified()
    ensure(bool(done), "the file", "holds only a settlement whose lines are not shown")
    text = f"{words.count(len(done), 'settlement')} under {', '.join(names)}, agreed by its parties"
    return Check("agreement", True, text, {"settlements": len(done), "contracts": len(contracts)})


def _account(case: Case, item: Item) -> Account:
    return Account(item, item.body_as(Settlement), None, False, case.leaves.get(item.h, Leaves()))


def _follow(case: Case) -> None:
    """Link settlements by prev; one whose predecessor is not in the file is a base, shown only to begin from."""
    by_hash = {account.item.h: account for account in case.accounts}
    followed: set[H32] = set()
    replaced = [use.replaces for leaves in case.leaves.values() for use in leaves.uses.values() if use.replaces]
    corrected = {(one.settlement, one.leaf) for one in replaced}
    ensure(len(corrected) == len(replaced), "the file", "corrects one line twice")
    for account in case.accounts:
        prev = account.settlement.prev
        if prev is None:
            continue
        account.before = by_hash.get(prev)
        account.is_base = account.before is None
        if account.before is None:
            stray = [index for index in account.leaves.uses if (account.item.h, index) not in corrected]
            ensure(not stray, account.name, "shows uses, but the settlement before it is not in the file")
            continue
        ensure(prev not in followed, account.name, "is one of two that follow the same settlement")
        followed.add(prev)
        before = account.before.settlement
        ensure(account.item.leaf > account.before.item.leaf, account.name, "was logged before the one it follows")
        ensure(before.to_ms == account.settlement.from_ms, account.name, "does not begin where the one before ended")
        ensure(before.unit == account.settlement.unit, account.name, "is in another unit than the one before")
    case.accounts.sort(key=lambda account: account.item.leaf)


def _versions(case: Case, account: Account, contracts: dict[H32, Item]) -> None:
    """Resolve the hashes of the versions and walk the chain back to its first."""
    found: list[Version] = []
    for h in account.settlement.contracts:
        item = contracts.get(h)
        if item is None:
            raise Misfit(account.name, f"applies a contract that is not in the file ({words.short(h)})")
        ensure(item.leaf < account.item.leaf, item.name, "was logged after the settlement that applies it")
        found.append(Version(h, _contract(item)))
    chains = {_first_of(contracts, version.h, account) for version in found}
    ensure(len(chains) == 1, account.name, "mixes two contracts")
    numbers = [version.contract.version for version in found]
    ensure(numbers == sorted(set(numbers)), account.name, "lists contract versions out of their order")
    account.versions, account.chain = tuple(found), chains.pop()
    for version in found:
        ensure(version.contract.community == case.policy.community, account.name, "is of another community")
        ensure(version.contract.unit == account.settlement.unit, account.name, "is in another unit than its contract")
    if account.before is not None and account.before.versions:
        known = [version.h for version in account.before.versions]
        ensure(account.before.chain == account.chain, account.name, "follows a settlement of another contract")
        same = [version.h for version in found][: len(known)] == known
        ensure(same, account.name, "leaves out a contract version that the settlement before it applied")


def _first_of(contracts: dict[H32, Item], h: H32, account: Account) -> H32:
    """The chain's id: the hash of its first version, reached by prev."""
    seen = 0
    while (prev := _contract(contracts[h]).prev) is not None:
        seen += 1
        ensure(
            prev in contracts,
            account.name,
            f"applies a contract whose version before is not in the file ({words.short(prev)})",
        )
        ensure(
            _contract(contracts[prev]).version < _contract(contracts[h]).version,
            contracts[h].name,
            "does not come after the one before",
        )
        h = prev
    return h


def _contract(item: Item) -> Contract:
    return item.body_as(Contract)


def _party_of(case: Case, item: Item) -> PartyId:
    for known in case.policy.party_keys:
        if known.key.kid == item.unverified.kid:
            return known.party
    subject = signer_of(case, item).subject
    return PartyId(subject if isinstance(subject, bytes) else subject.encode())


def _said_yes(case: Case) -> dict[H32, set[PartyId]]:
    """hash of a contract -> who signed it or said yes to it."""
    yes: dict[H32, set[PartyId]] = {}
    for item in case.of(ContentType.CONTRACT):
        proposer = _party_of(case, item)
        ensure(
            any(p.id == proposer for p in _contract(item).parties), item.name, "was proposed by nobody of its parties"
        )
        yes.setdefault(item.h, set()).add(proposer)
    for item in case.of(ContentType.APPROVAL):
        if isinstance(item.body, Approval):
            ensure(
                item.body.party == _party_of(case, item),
                item.name,
                "is signed by somebody else than the party it names",
            )
            if item.body.yes:
                yes.setdefault(item.body.object, set()).add(item.body.party)
    return yes


def _check_agreed(
    case: Case, item: Item, earlier: Sequence[Version], version: Version, yes: dict[H32, set[PartyId]]
) -> None:
    contract = version.contract
    ensure(contract.state is not ContractState.DRAFT, item.name, "is a draft and prices nothing")
    valid = contract.is_valid(yes.get(version.h, set()), [one.contract for one in earlier])
    why = f"is not agreed: its rule {contract.change_rule!r} is not met by the answers in the file"
    ensure(valid, item.name, why)


def _check_newer(case: Case, account: Account, contracts: dict[H32, Item], yes: dict[H32, set[PartyId]]) -> None:
    """A version that was agreed before the period ended must be applied."""
    listed = {version.h for version in account.versions}
    for h, item in contracts.items():
        contract = _contract(item)
        if h in listed or item.leaf > account.item.leaf or contract.state is ContractState.DRAFT:
            continue
        later = contract.version > account.versions[-1].contract.version
        mine = _first_of(contracts, h, account) == account.chain
        if later and mine and contract.effective_from_ms < account.settlement.to_ms:
            applies = contract.is_agreed(yes.get(h, set()))
            ensure(not applies, account.name, f"applies an old contract: {item.name} was agreed and is left out")


def _check_known(case: Case, account: Account) -> None:
    listed = {version.h for version in account.versions}
    for known in case.policy.contracts:
        if known.chain == account.chain and known.from_ms < account.settlement.to_ms:
            text = "applies an old contract: the version that your policy knows to be agreed is left out"
            ensure(known.h in listed, account.name, text)


def _check_scope(case: Case, account: Account) -> None:
    """Who takes part in the split gets everything of the contract, who does not only its own."""
    takes = any(
        case.party == version.contract.collector
        or case.party in plan_of(version.contract, account.chain).waterfall.beneficiaries
        for version in account.versions
    )
    expected = Scope.CONTRACT if takes else Scope.OWN
    why = "takes part in the split" if takes else "does not take part in the split"
    ensure(case.evidence.scope is expected, "the file", f"has the wrong scope: your party {why} of {account.name}")
