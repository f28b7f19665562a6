"""A contract's next state as a version of its own: the same words, from a moment on; pure.

It never touches what holds until then, and whether the parties agree is not its matter.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tallystick_protocol.ids import H32, NONCE_BYTES
from tallystick_protocol.money.calendar import period_of
from tallystick_protocol.money.contract import Contract, ContractState
from tallystick_protocol.money.contract_toml import Draft
from tallystick_protocol.money.user import USER_SALT_BYTES, UserOpening

from .errors import ContractRefused
from .look import ChainView, VersionView

Random = Callable[[int], bytes]


def switched(
    before: Contract,
    openings: Sequence[UserOpening],
    newest: tuple[H32, int],
    state: ContractState,
    from_ms: int,
    random: Random,
) -> Draft:
    """`before` in another state from `from_ms` on, to follow the `newest` (hash, version) of its chain.

    Users stay who they are, under salts of their own. Raises ContractRefused.
    """
    if before.state is state:
        raise ContractRefused("state", f"of {before.name} is {state.value} already; nothing is left to do")
    if before.effective_to_ms is not None and from_ms >= before.effective_to_ms:
        raise ContractRefused("--from", f"is after {before.name} ends by itself; propose a new version instead")
    fresh = {one.commitment: replace(one, salt=random(USER_SALT_BYTES)) for one in openings}
    assets = []
    for terms in before.assets:
        opening = fresh.get(H32(terms.user))
        if terms.is_committed and opening is None:
            reason = f"of {terms.asset} is erased; propose a new version that names who uses it now"
            raise ContractRefused("user", reason)
        assets.append(replace(terms, user=opening.commitment) if opening is not None else terms)
    prev, version = newest
    contract = replace(
        before,
        nonce=random(NONCE_BYTES),
        prev=prev,
        version=version + 1,
        state=state,
        effective_from_ms=from_ms,
        assets=tuple(assets),
    )
    return Draft(contract, tuple(fresh.values()))


def follow(chain: ChainView, state: ContractState, from_ms: int | None, now_ms: int, random: Random) -> Draft:
    """The contract of a chain in another state, from `from_ms` or its next rating period on.

    Goes on from what is agreed last, also when it only begins to hold later. Raises ContractRefused.
    """
    before = last_agreed(chain)
    begin_ms = next_period_ms(before.contract, now_ms) if from_ms is None else from_ms
    newest = chain.versions[0]
    follows = (H32(newest.h), newest.contract.version)
    return switched(before.contract, before.openings, follows, state, begin_ms, random)


def last_agreed(chain: ChainView) -> VersionView:
    """Raises ContractRefused where no version is."""
    found = next((one for one in chain.versions if one.in_force_ms is not None), None)
    if found is None:
        name = chain.versions[0].contract.name
        reason = f"{name} is not agreed yet; `tallystick contract list` says whose yes is missing"
        raise ContractRefused("CONTRACT", reason)
    return found


def next_period_ms(contract: Contract, now_ms: int) -> int:
    """When its next rating period begins: from there a period is all in one state."""
    return period_of(contract, now_ms).to_ms
