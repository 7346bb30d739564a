"""The keys of a vault in files: kept, destroyed, lost, and used by one process at a time."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from esnb import (
    ANY,
    new_event,
)
from esnb.privacy.vault import FORGOTTEN, NO_KEY, KeyVault, VaultError, forget
from tests.privacy.people import (
    ADA,
    EVE,
    PERSONAL,
    opened,
    register,
)
from tests.support import ROOT


def bytes_of(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


def test_keys_come_back_when_the_vault_is_opened_again(tmp_path):
    with opened(tmp_path / "s.duckdb", KeyVault(tmp_path / "keys", personal=PERSONAL)) as store:
        register(store, ADA)
        register(store, EVE)
        forget(store, "c-18")
    vault = KeyVault(tmp_path / "keys", personal=PERSONAL)
    assert (vault.persons(), vault.forgotten("c-18") is not None) == (["c-17"], True)
    with opened(tmp_path / "s.duckdb", vault) as store:
        assert [e.data.get("name") for e in store.read_all()] == ["Ada Lovelace", FORGOTTEN, None]


def test_the_key_is_in_no_file_after_forgetting(tmp_path):
    vault = KeyVault(tmp_path / "keys", personal=PERSONAL)
    with opened(tmp_path / "s.duckdb", vault) as store:
        register(store, ADA)
        key = vault._keys["c-17"].secret
        text = base64.b64encode(key)
        assert text in bytes_of(tmp_path / "keys")
        assert text not in (tmp_path / "s.duckdb").read_bytes()
        assert b"Lovelace" not in bytes_of(tmp_path)
        forget(store, "c-17")
    everything = bytes_of(tmp_path)
    assert text not in everything
    assert key not in everything
    assert vault.persons() == []


def test_a_key_file_is_overwritten_before_it_is_removed(tmp_path):
    """Seen through a second name of the same file: removing the first leaves the bytes."""
    vault = KeyVault(tmp_path / "keys", personal=PERSONAL)
    register(opened(vault=vault), ADA)
    (file,) = (tmp_path / "keys").glob("*.key")
    second = tmp_path / "second"
    second.hardlink_to(file)
    size = len(second.read_bytes())
    vault.forget("c-17")
    assert second.read_bytes() == bytes(size)
    assert not file.exists()


def test_a_duckdb_file_would_keep_deleted_keys(tmp_path):
    """Why a key is a small file of its own, and not a row of a database."""
    path = tmp_path / "keys.duckdb"
    with duckdb.connect(str(path)) as db:
        db.execute("create table keys (person varchar, key varchar)")
        db.execute("insert into keys values ('c-17', 'KEY-OF-ADA'), ('c-18', 'KEY-OF-EVE')")
    with duckdb.connect(str(path)) as db:
        db.execute("delete from keys where person = 'c-17'")
        db.execute("checkpoint")
        assert b"KEY-OF-ADA" in path.read_bytes()


def test_a_backup_of_the_keys_brings_nobody_back(tmp_path):
    keys = tmp_path / "keys"
    with opened(tmp_path / "s.duckdb", KeyVault(keys, personal=PERSONAL)) as store:
        register(store, ADA)
        backup = {p.name: p.read_bytes() for p in keys.iterdir()}
        forget(store, "c-17")
    for path in keys.iterdir():
        path.unlink()
    for name, content in backup.items():
        (keys / name).write_bytes(content)
    vault = KeyVault(keys, personal=PERSONAL)
    assert vault.persons() == ["c-17"]
    with opened(tmp_path / "s.duckdb", vault) as store:
        assert store.events("customer-c-17")[0].data["name"] == FORGOTTEN
    assert vault.persons() == []
    assert not list(keys.glob("*.key"))


def test_a_crash_between_note_and_destruction_is_finished_when_the_vault_opens(tmp_path):
    keys = tmp_path / "keys"
    vault = KeyVault(keys, personal=PERSONAL)
    register(opened(vault=vault), ADA)
    (file,) = keys.glob("*.key")
    content = file.read_bytes()
    vault.forget("c-17")
    file.write_bytes(content)  # as if the process had died before it
    assert KeyVault(keys, personal=PERSONAL).persons() == []
    assert not file.exists()


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"person": "c-17", "key": "AAAA"}', b"\xff"]
)
def test_a_damaged_key_file_is_named(tmp_path, content):
    vault = KeyVault(tmp_path / "keys", personal=PERSONAL)
    register(opened(vault=vault), ADA)
    (file,) = (tmp_path / "keys").glob("*.key")
    file.write_bytes(content)
    with pytest.raises(VaultError, match="is damaged"):
        KeyVault(tmp_path / "keys", personal=PERSONAL)


def test_a_folder_that_cannot_hold_keys_is_named_and_nothing_is_stored(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(VaultError, match="'file', cannot be used"):
        KeyVault(tmp_path / "file", personal=PERSONAL)
    store = opened(vault=KeyVault(tmp_path / "keys", personal=PERSONAL))
    (tmp_path / "keys").rmdir()
    with pytest.raises(VaultError, match="cannot be written to 'keys'"):
        register(store, ADA)
    assert (store.position, store.vault.persons()) == (0, [])
    (tmp_path / "keys").mkdir()
    register(store, ADA)


# -- a lost key ----------------------------------------------------------------------------------


def with_lost_key(tmp_path, how):
    """A store with sealed values of Ada and of Eve, and the vault without Ada's key."""
    keys = tmp_path / "keys"
    with opened(tmp_path / "s.duckdb", KeyVault(keys, personal=PERSONAL)) as store:
        register(store, ADA)
        register(store, EVE)
        store.vault.close()
        ada = store.vault._files._path("c-17", "key")
    if how == "one":
        ada.rename(tmp_path / "kept")
    elif how == "all":
        keys.rename(tmp_path / "away")
    vault = KeyVault(None if how == "memory" else keys, personal=PERSONAL)
    return opened(tmp_path / "s.duckdb", vault), vault


def change(store):
    event = new_event("Registered", ADA | {"email": "new@example.org"})
    return store.append("customer-c-17", [event], expected_version=ANY)


@pytest.mark.parametrize("how", ["one", "all", "memory"])
def test_a_lost_key_is_never_replaced_in_silence(tmp_path, how):
    store, vault = with_lost_key(tmp_path, how)
    with store:
        assert store.events("customer-c-17")[0].data["name"] == NO_KEY
        with pytest.raises(VaultError, match=r"holds sealed values of 'c-17'.*lost") as caught:
            change(store)
        assert "replace_lost_key('c-17')" in str(caught.value)
        assert (store.position, "c-17" in vault.persons()) == (2, False)
        if how != "memory":
            assert not vault._files._path("c-17", "key").exists()
        # Whoever was never sealed gets a key as before.
        register(store, ADA | {"customer": "c-99"})
        if how == "one":  # a key that is there goes on
            store.append("customer-c-18", [new_event("Registered", EVE)], expected_version=1)


def test_a_key_put_back_opens_everything(tmp_path):
    store, vault = with_lost_key(tmp_path, "one")
    with store:
        with pytest.raises(VaultError, match="lost"):
            change(store)
        (tmp_path / "kept").rename(vault._files._path("c-17", "key"))
        change(store)
        emails = [e.data["email"] for e in store.events("customer-c-17")]
        assert emails == ["ada@example.org", "new@example.org"]


def test_a_lost_key_is_replaced_when_its_owner_says_so(tmp_path):
    store, vault = with_lost_key(tmp_path, "one")
    with store:
        vault.replace_lost_key("c-17")
        change(store)
        emails = [e.data["email"] for e in store.events("customer-c-17")]
        assert emails == [NO_KEY, "new@example.org"]
        with pytest.raises(VaultError, match="not lost"):
            vault.replace_lost_key("c-17")
        with pytest.raises(VaultError, match="not lost"):
            vault.replace_lost_key("c-18")
    vault.close()
    with opened(tmp_path / "s.duckdb", KeyVault(tmp_path / "keys", personal=PERSONAL)) as store:
        emails = [e.data["email"] for e in store.events("customer-c-17")]
        assert emails == [NO_KEY, "new@example.org"]


def test_two_vaults_on_one_folder_make_one_key(tmp_path):
    """In one process, such as a cell that is run twice: the second finds the key of the first."""
    vaults = [KeyVault(tmp_path / "keys", personal=PERSONAL) for _ in range(2)]
    for n, vault in enumerate(vaults):
        with opened(tmp_path / f"{n}.duckdb", vault) as store:
            register(store, ADA)
    for n in range(2):
        with opened(tmp_path / f"{n}.duckdb", vaults[0]) as store:
            assert store.events("customer-c-17")[0].data == ADA


# -- one process at a time -----------------------------------------------------------------------

ELSEWHERE = """
import sys
from esnb import EsnbError
from esnb.privacy import KeyVault
try:
    vault = KeyVault(sys.argv[1], personal={})
    print("open", vault.persons())
except EsnbError as error:
    print(type(error).__name__, getattr(error, "pid", None))
"""


def elsewhere(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(folder)],
        cwd=ROOT, check=True, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_second_process_cannot_use_the_folder(tmp_path):
    keys = tmp_path / "keys"
    first, second = (KeyVault(keys, personal=PERSONAL) for _ in range(2))
    register(opened(vault=first), ADA)
    bytes_of(tmp_path)  # reading does not drop the lock
    link = tmp_path / "link"
    link.symlink_to(keys, target_is_directory=True)
    assert elsewhere(link) == f"StoreLockedError {os.getpid()}"
    second.close()
    assert elsewhere(keys) == f"StoreLockedError {os.getpid()}"
    first.close()
    first.close()
    assert elsewhere(keys) == "open ['c-17']"
