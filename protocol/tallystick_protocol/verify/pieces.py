"""Fifth step: every opened piece fits the hash or the tree that a signed object commits to.
What fits is sorted here: parts by their batch, leaves by their settlement.
"""

from tallystick_protocol import batch as batches
from tallystick_protocol import cbor, merkle
from tallystick_protocol.batch import Batch
from tallystick_protocol.codes import Scope, Sensitivity
from tallystick_protocol.cose import ContentType
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.cover import Cover
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.evidence import ERASED, PART_KEY, SLICE_KEY, USER_KEY, Piece
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.user import commit_user
from tallystick_protocol.part import Part
from tallystick_protocol.salted_tree import SALT_BYTES, Leaf, Tree, verify_leaf
from tallystick_protocol.settled_use import Slice, Use
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.statement import Statement
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Case, Item, Leaves, OpenPart, ensure, first_missing
from tallystick_protocol.verify.report import Check, Misfit

_NAMES = {5: "cover", 7: "use", 10: "statement", 12: "counter"}


def check_pieces(case: Case) -> Check:
    """Sort every piece into `case.parts` and `case.leaves`; raises Misfit."""
    pieces = case.evidence.pieces
    places = [(piece.object, piece.key, piece.index) for piece in pieces]
    ensure(len(set(places)) == len(places), "the file", "opens one piece twice")
    for item in case.of(ContentType.SETTLEMENT):
        case.leaves[item.h] = Leaves()
    uses: dict[int, tuple[Item, int, Use]] = {}
    _check_whole_trees(case)
    for number, piece in enumerate(pieces):
        if piece.object < len(case.items):
            _of_object(case, number, piece, case.items[piece.object], uses)
    _check_whole_slices(case, uses)
    for piece in pieces:
        if piece.object >= len(case.items):
            _slice(case, piece, uses)
    text = f"{words.count(len(pieces), 'opened piece')} fit what was signed"
    return Check("pieces", True, text, {"pieces": len(pieces), "parts": len(case.parts)})


def _check_whole_trees(case: Case) -> None:
    """Leaves without a path: a tree of which every leaf is opened proves itself."""
    for (number, key), leaves in _bare(case).items():
        body = case.items[number].body if number < len(case.items) else None
        if isinstance(body, Settlement) and key in _NAMES:
            _check_whole(f"{_NAMES[key]}s of {case.items[number].name}", body.tree(key), leaves)


def _check_whole_slices(case: Case, uses: dict[int, tuple[Item, int, Use]]) -> None:
    for (number, key), leaves in _bare(case).items():
        found = uses.get(number - len(case.items))
        if key == SLICE_KEY and found is not None and found[2].slices is not None:
            _check_whole(f"slices of {case.use_name(found[2])}", found[2].slices, leaves)


def _bare(case: Case) -> dict[tuple[int, int], dict[int, Leaf]]:
    """(object, key) -> opened leaves that come without a path."""
    found: dict[tuple[int, int], dict[int, Leaf]] = {}
    for piece in case.evidence.pieces:
        if not piece.path and piece.key != PART_KEY:
            found.setdefault((piece.object, piece.key), {})[piece.index] = Leaf(piece.salt, piece.data)
    return found


def _check_whole(where: str, tree: Tree, leaves: dict[int, Leaf]) -> None:
    missing = first_missing(leaves, tree.n)
    ensure(missing is None, where, f"come without proof, and number {missing} of {tree.n} is not among them")
    root = merkle.root([leaves[index].hash for index in sorted(leaves)])
    ensure(root == tree.root, where, "are not what the settlement commits to: one was changed, added or left out")


def _verify(tree: Tree, piece: Piece) -> None:
    """By its path; what comes without one was proved with its whole tree."""
    if piece.path or tree.n == 0:
        verify_leaf(tree, piece.index, Leaf(piece.salt, piece.data), piece.path)


def _of_object(case: Case, number: int, piece: Piece, item: Item, uses: dict[int, tuple[Item, int, Use]]) -> None:
    if isinstance(item.body, Batch):
        _part(case, piece, item, item.body)
    elif isinstance(item.body, Settlement):
        message = _leaf(case, piece, item, item.body)
        if isinstance(message, Use):
            uses[number] = (item, piece.index, message)
    elif isinstance(item.body, Contract):
        _user(case, piece, item, item.body)
    else:
        raise Misfit(item.name, "has nothing that could be opened")


def _part(case: Case, piece: Piece, item: Item, batch: Batch) -> None:
    where = f"part {piece.index} of {item.name}"
    ensure(piece.key == PART_KEY and not piece.path, where, "is not named as a part")
    ensure(piece.index < len(batch.part_hashes), where, f"does not exist: the batch signed {len(batch.part_hashes)}")
    if piece.data == ERASED:
        ensure(piece.salt == bytes(SALT_BYTES), where, "is said to be erased but has a salt")
        case.parts.append(OpenPart(item, piece.index, None))
        return
    fits = batches.part_hash(piece.salt, piece.data) == batch.part_hashes[piece.index]
    ensure(fits, where, "is not what the gateway signed")
    try:
        part = Part.decode(piece.data)
    except ProtocolError as error:
        raise Misfit(where, f"cannot be read ({error})") from None
    if case.evidence.scope is Scope.CONTRACT:
        ensure(part.sensitivity is Sensitivity.MONEY, where, "is personal: it is not for a party to the split")
    case.parts.append(OpenPart(item, piece.index, part))


def _user(case: Case, piece: Piece, item: Item, contract: Contract) -> None:
    """Whose asset it is: for the payer's own eyes, and checked against what the parties signed."""
    where = f"user of asset {piece.index} of {item.name}"
    ensure(piece.key == USER_KEY and not piece.path, where, "is not named as the user of an asset")
    assets = len(contract.assets)
    ensure(piece.index < assets, where, f"belongs to no asset: the contract has {words.count(assets, 'asset')}")
    asset = contract.assets[piece.index]
    where = f"user of {asset.asset}, {asset.quantity}, in {item.name}"
    ensure(asset.is_committed, where, "is opened, but the contract names it openly")
    ensure(case.is_own, where, "is opened: who uses an asset is not for a party to the split")
    ensure(piece.data == cbor.encode(case.party), where, "is opened to show somebody else than you")
    committed = commit_user(piece.salt, case.party) == asset.user
    ensure(committed, where, "is not you: the parties signed another user's commitment")
    case.mine.setdefault(item.h, set()).add(piece.index)


def _leaf(case: Case, piece: Piece, item: Item, settlement: Settlement) -> Cover | Use | Statement | Counter:
    where = f"{_NAMES.get(piece.key, 'piece')} {piece.index} of {item.name}"
    ensure(piece.key in _NAMES, where, f"has key {piece.key}, where a settlement has no tree")
    leaves = case.leaves[item.h]
    try:
        _verify(settlement.tree(piece.key), piece)
        match piece.key:
            case 5:
                message = leaves.covers[piece.index] = Cover.decode(piece.data)
                return message
            case 7:
                use = leaves.uses[piece.index] = Use.decode(piece.data)
                return use
            case 10:
                statement = leaves.statements[piece.index] = Statement.decode(piece.data)
                return statement
            case _:
                counter = leaves.counters[piece.index] = Counter.decode(piece.data)
                return counter
    except ProtocolError as error:
        raise Misfit(where, f"is not what the settlement commits to ({error})") from None


def _slice(case: Case, piece: Piece, uses: dict[int, tuple[Item, int, Use]]) -> None:
    where = f"slice {piece.index}"
    found = uses.get(piece.object - len(case.items))
    if found is None or piece.key != SLICE_KEY:
        raise Misfit(where, "belongs to no opened use")
    item, index, use = found
    where = f"slice {piece.index} of {case.use_name(use)}"
    if use.slices is None:
        raise Misfit(where, "belongs to a use without slices")
    ensure(case.is_own, where, "is a curve, which only its payer may see")
    try:
        _verify(use.slices, piece)
        slices = case.leaves[item.h].slices.setdefault(index, {})
        slices[piece.index] = Slice.decode(piece.data)
    except ProtocolError as error:
        raise Misfit(where, f"is not what the settlement commits to ({error})") from None
