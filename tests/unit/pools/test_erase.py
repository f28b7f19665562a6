"""A member of a pool is erased: numbers, money and secrets go, and every other member proves as before."""

import json
from collections.abc import Iterator

import pytest
from support.pools import GRID, POOL, USERS, Community, open_community, proof_of, toml
from tallystick_cloud import schema
from tallystick_cloud.errors import NotFound
from tallystick_cloud.parties.store import ids_by_name, names_by_id
from tallystick_cloud.pools import store
from tallystick_cloud.pools.errors import PoolRefused
from tallystick_cloud.settlement.erase import Erased, erase_payer, would_erase
from tallystick_protocol.verify.pool import verify_pool

NEXT = GRID.replace("T00:00", "T01:00")


def erase(cer: Community, name: str) -> Erased:
    party = cer.books.database.read_now(ids_by_name, "cer")[name]
    return cer.books.database.write_now(erase_payer, "cer", party, cer.now_ms)


def meters_in_files(cer: Community) -> set[str]:
    return {str(row["meter"]) for row in cer.books.rows(schema.grid_row)}


@pytest.fixture
def cer() -> Iterator[Community]:
    found = open_community()
    found.upload()
    found.prices()
    yield found
    found.books.database.close()


@pytest.mark.parametrize("gone", ["Farm", "Bakery"])
def test_numbers_money_and_secrets_go_and_all_others_prove_the_same(cer: Community, gone: str) -> None:
    cer.close()
    others = [name for name in USERS if name != gone]
    before = {name: proof_of(cer, name)[0].intervals for name in others}
    erased = erase(cer, gone)
    assert (erased.intervals, erased.grid_rows, erased.openings) == (1, 1, 1)
    for name in others:
        proof, policy = proof_of(cer, name)
        assert verify_pool(proof.encode(), policy).ok
        assert proof.intervals == before[name]  # only the log has grown
    with pytest.raises(NotFound, match="who it was is erased"):
        proof_of(cer, gone)
    point = {"Farm": 1, "Bakery": 3}[gone]
    (row,) = cer.books.rows(schema.pool_interval)
    for column in ("meters", "money"):
        assert point not in {one[0] for one in json.loads(str(row[column]))}
    assert point not in {secret["point"] for secret in cer.books.rows(schema.pool_secret)}
    assert meters_in_files(cer) == {"plant-1", "plant-2", "home-1", "shop-1", "home-2"} - {
        {"Farm": "plant-2", "Bakery": "shop-1"}[gone]
    }
    assert cer.books.audit() == []


def test_two_erased_one_after_the_other_leave_the_rest_provable(cer: Community) -> None:
    cer.close()
    erase(cer, "Anna")
    erase(cer, "School")
    for name in ("Farm", "Bakery", "Carla"):
        proof, policy = proof_of(cer, name)
        assert verify_pool(proof.encode(), policy).ok


def test_a_closed_period_stays_as_it_was_posted(cer: Community) -> None:
    """Without the rows of the erased meter the hour would look open, and its money would be taken back."""
    cer.close()
    stands = cer.balances()
    erase(cer, "Bakery")
    with pytest.raises(PoolRefused, match="what was posted stands"):
        cer.close()
    assert cer.balances() == stands


@pytest.mark.parametrize("gone", ["Farm", "Bakery"])
def test_a_year_paid_on_account_is_trued_up_after_an_erasure(gone: str) -> None:
    """What the member was paid stands; only what the year adds to it waits, and everybody else gets all."""
    cer = open_community(
        text=toml(POOL.replace('series = "NORD"', 'series = "NORD"\ntrue_up = "year"\nadvance = "80 %"'))
    )
    cer.upload()
    cer.prices()
    cer.close("2026-01")
    paid = cer.balances()
    erase(cer, gone)
    assert cer.close("2026-01").again, "the month itself has nothing new"
    closed = cer.close("2026")
    names = cer.books.database.read_now(names_by_id, "cer")
    assert gone not in {names.get(line.party) for line in closed.posted}
    after = cer.balances()
    assert {key: nano for key, nano in after.items() if key[1] == gone} == {
        key: nano for key, nano in paid.items() if key[1] == gone
    }
    for (account, name), nano in paid.items():
        if name not in (gone, "CER") or account != "suspense":
            assert after[account, name] == (nano if name == gone else nano * 5 // 4), name
    part = -paid["payable", gone]
    assert after.get(("suspense", "CER"), 0) == -part // 4
    assert cer.books.audit() == []
    for name in USERS:
        if name != gone:
            proof, policy = proof_of(cer, name)
            assert verify_pool(proof.encode(), policy).ok
    with pytest.raises(PoolRefused, match="what was posted stands"):
        cer.close("2026")  # now the rows are gone
    cer.books.database.close()


def test_rows_of_a_period_that_is_open_stay_until_it_is_closed(cer: Community) -> None:
    """The others' shares depend on them; what comes to the erased member waits in suspense."""
    erased = erase(cer, "Bakery")
    assert (erased.intervals, erased.grid_rows) == (0, 0)
    assert "shop-1" in meters_in_files(cer)
    cer.close()
    assert "shop-1" not in meters_in_files(cer)
    assert 3 not in {secret["point"] for secret in cer.books.rows(schema.pool_secret)}
    assert cer.balances()["suspense", "CER"] < 0
    proof, policy = proof_of(cer, "Anna")
    assert verify_pool(proof.encode(), policy).ok


def test_a_later_close_does_not_go_through_what_is_gone_already(
    cer: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    cer.close()
    erase(cer, "Bakery")
    (close,) = cer.books.rows(schema.pool_close)
    february = GRID.replace("2026-01", "2026-02")
    cer.upload(february)
    cer.prices("start,price\n2026-02-01T00:00,100\n")
    read: list[int] = []
    honest = store.intervals
    monkeypatch.setattr(store, "intervals", lambda conn, one: (read.append(one), honest(conn, one))[1])
    cer.close("2026-02")
    assert close["id"] not in read
    assert {row["start_ms"] for row in cer.books.rows(schema.grid_row) if row["meter"] == "shop-1"} == set()


def test_to_look_first_takes_nothing(cer: Community) -> None:
    cer.close()
    before = cer.books.dump()
    party = cer.books.database.read_now(ids_by_name, "cer")["Anna"]
    assert cer.books.database.write_now(would_erase, "cer", party, cer.now_ms).intervals == 1
    assert cer.books.dump() == before


def test_an_hour_more_in_the_same_file_is_counted(cer: Community) -> None:
    cer.upload(NEXT)
    cer.prices("start,price\n2026-01-01T01:00,100\n")
    cer.close()
    erased = erase(cer, "Carla")
    assert (erased.intervals, erased.grid_rows) == (2, 2)
    proof, policy = proof_of(cer, "Anna", "2026-01-01")
    assert len(proof.intervals) == 2
    assert verify_pool(proof.encode(), policy).ok


def test_who_is_a_party_of_the_contract_stays_in_it(cer: Community) -> None:
    """A collector is named by the contract itself, which is signed."""
    cer.close()
    erased = erase(cer, "CER")
    assert (erased.intervals, erased.grid_rows) == (0, 0)
