"""Forgetting a person in a log that forgets nothing: seal what is personal, destroy the key.

Each person has a key of their own, kept outside the log. Personal fields are sealed with it before
they are stored, and opened whenever they are read, on every read path. SQL on `events` sees the
sealed value only. To forget the person is to destroy the key: the events stay, byte for byte, and
what was sealed in them can never be read again. The technique is known as crypto-shredding.

    vault = KeyVault("keys", personal={"CustomerRegistered": {"customer": ["name", "email"]}})
    store = EventStore("shop.duckdb", vault=vault)
    forget(store, "c-17", reason="asked by letter")

Cipher: AES-256-GCM of the library `cryptography`, a random nonce for each value. The stream and
sequence number of the event and the name of the field are bound to it, so that no sealed value can
be moved elsewhere. What it does not hide: that there is a value, roughly how long it is, and whose.

What it cannot do: reach copies of the key (a backup of the folder), copies of the plain text (a
snapshot, a read model, an export of one, an output in a notebook; see `find_copies`), and what a
disk keeps of an overwritten file (an SSD, a file system that never writes in place).
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from esnb.clock import SystemClock
from esnb.errors import InvalidEventError, StoreClosedError
from esnb.event_json import Json, dump_json, load_json
from esnb.events import Event, new_event
from esnb.privacy.key_files import Key, KeyFiles, VaultError
from esnb.store.event_store import EventStore
from esnb.store.reader import Reader
from esnb.upcast_steps import Place, Shape
from esnb.upcasters import Upcasters

#: What is read in place of a value whose key was destroyed.
FORGOTTEN: Final = "(forgotten)"
#: What is read in place of a value whose key this vault never had: another vault, or a lost one.
NO_KEY: Final = "(no key)"

PERSON_FORGOTTEN: Final = "PersonForgotten"

_NONCE = 12
_SHAPE = {"sealed", "box"}

#: Event type -> the field that names the person -> the fields that are theirs.
Personal = Mapping[str, Mapping[str, Sequence[str]]]


class KeyVault:
    """The keys of all persons, and which fields are personal: `EventStore(path, vault=vault)`.

    `folder` holds one small file a person; without it the keys live in memory. Never put it into
    the folder of the store, nor into the same backup. One process at a time uses it, until `close`
    or its end; a second one gets `StoreLockedError`. `personal` says, for each event type, which
    field names the person (by an id that says nothing, such as "c-17") and which fields are theirs.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, personal: Personal) -> None:
        self.personal = _checked(personal)
        self.folder = None if folder is None else Path(folder)
        self._lock = threading.RLock()
        self._unseen: weakref.WeakSet[Reader] = weakref.WeakSet()  # logs not searched for the lost
        self._lost: set[str] = set()
        self._files = None if self.folder is None else KeyFiles(self.folder)
        self._keys: dict[str, Key] = {} if self._files is None else self._files.keys
        self._forgotten: dict[str, str] = {} if self._files is None else self._files.forgotten
        for person in [*self._forgotten]:  # a crash may have come between note and destruction
            self.forget(person)

    def __repr__(self) -> str:
        where = "in memory" if self.folder is None else self.folder.name
        return f"<KeyVault {where}, {len(self._keys)} key(s), {len(self._forgotten)} forgotten>"

    def close(self) -> None:
        """Let another process use the folder. Stores with this vault are closed before."""
        if self._files is not None:
            self._files.close()

    def persons(self) -> list[str]:
        """The persons who have a key."""
        with self._lock:
            return sorted(self._keys)

    def forgotten(self, person: str) -> str | None:
        """When a person was forgotten, as ISO text; None if that did not happen."""
        return self._forgotten.get(person)

    # -- sealing and opening ---------------------------------------------------------------

    def seal(self, event: Event) -> Event:
        """The event as it is stored, once it has its place: its personal fields sealed."""
        data = dict(event.event_data)
        for name, value in data.items():
            if _is_sealed(value):
                raise InvalidEventError(
                    f"event {event.event_type!r}: {name} looks like a sealed value, and the store "
                    f"alone makes those. Rename one of its keys {sorted(_SHAPE)}."
                )
        owners = self.personal.get(event.event_type, {})
        for owner, names in owners.items():
            present = [name for name in names if data.get(name) is not None]
            if not present:
                continue
            person = data.get(owner)
            if not isinstance(person, str) or not person.strip():
                raise InvalidEventError(
                    f"event {event.event_type!r}: {owner} names the person whose data "
                    f"{', '.join(present)} is, so it is a non-empty text. Found {person!r:.60}."
                )
            cipher = AESGCM(self._key(person))
            for name in present:
                nonce = secrets.token_bytes(_NONCE)
                plain = dump_json({"v": data[name]}, name).encode()
                box = nonce + cipher.encrypt(
                    nonce, plain, _bound(event.aggregate_id, event.sequence_number, name)
                )
                data[name] = {"sealed": person, "box": base64.b64encode(box).decode()}
        return replace(event, event_data=data) if owners else event

    def open(self, data: Json, aggregate_id: str | None, sequence_number: int | None) -> Json:
        """The data with what is sealed opened, or `FORGOTTEN` or `NO_KEY` in its place.

        Raises `VaultError` for a sealed value that was changed, or moved here from elsewhere.
        """
        opened = dict(data)
        for name, value in data.items():
            if not _is_sealed(value):
                continue
            person = value["sealed"]
            key = self._keys.get(person)
            if key is None:
                opened[name] = FORGOTTEN if person in self._forgotten else NO_KEY
                continue
            try:
                box = base64.b64decode(value["box"], validate=True)
                plain = AESGCM(key.secret).decrypt(
                    box[:_NONCE], box[_NONCE:], _bound(aggregate_id, sequence_number, name)
                )
            except (InvalidTag, ValueError):
                if key.replaces:  # sealed with the one that was lost
                    opened[name] = NO_KEY
                    continue
                raise VaultError(
                    f"The sealed {name} in event {sequence_number} of {aggregate_id!r} cannot be "
                    f"opened with the key of {person!r}: it was changed, or moved here from "
                    f"elsewhere, or sealed with another key. store.verify() tells about changes."
                ) from None
            opened[name] = load_json(plain.decode())["v"]
        return opened

    def steps(self, upcasters: Upcasters) -> Upcasters:
        """Upcasters that open what is sealed before any other step, for `EventStore`."""
        return _Opening(upcasters, self)

    def same(self, new: Event, stored: Event) -> bool:
        """Whether a stored event, opened, has this data. What is forgotten counts as the same."""
        data = self.open(stored.event_data, stored.aggregate_id, stored.sequence_number)
        lost = {
            name
            for name, value in stored.event_data.items()
            if _is_sealed(value) and data[name] in (FORGOTTEN, NO_KEY)
        }
        one, other = ({k: v for k, v in d.items() if k not in lost} for d in (new.event_data, data))
        return data.keys() == new.event_data.keys() and _text(one) == _text(other)

    # -- keys ------------------------------------------------------------------------------

    def _key(self, person: str) -> bytes:
        with self._lock:
            if person in self._forgotten:
                raise VaultError(
                    f"{person!r} was forgotten on {self._forgotten[person][:10]}, so nothing "
                    f"personal of theirs is stored again. Somebody who comes back gets a new id. "
                    f"Nothing was stored."
                )
            key = self._keys.get(person)
            if key is None and self._files is not None and (key := self._files.find(person)):
                self._keys[person] = key  # put back since, or of another vault in this process
            if key is None and person in self._lost_persons():
                raise VaultError(
                    f"The log holds sealed values of {person!r}, but {self!r} has no key that "
                    f"opens them: it was lost, or this is another vault. A new key would hide that "
                    f"and could not open them. Put the key back from a backup of the keys and open "
                    f"the vault again; to give those values up, call "
                    f"vault.replace_lost_key({person!r}). Nothing was stored."
                )
            return (key or self._make(person)).secret

    def forget(self, person: str, at: datetime | None = None) -> bool:
        """Destroy a person's key, for good; False if it was destroyed before.

        The file is overwritten, flushed and removed. That this person was forgotten stays noted, so
        that no later event makes a new key. `esnb.privacy.forget` notes it in the log as well.
        """
        with self._lock:
            known = person in self._forgotten
            if not known:
                self._forgotten[person] = (at or SystemClock().now()).isoformat()
                if self._files is not None:
                    self._files.note_forgotten(person, self._forgotten[person])
            had = self._keys.pop(person, None) is not None
            if self._files is not None:
                had = self._files.destroy(person) or had
            return had or not known

    def forget_again(self, log: Reader) -> list[str]:
        """Destroy the keys of all whom the log says to be forgotten; returns those who had one.

        `EventStore` does it when it opens: a backup of the keys, put back, brings nobody back.
        """
        self._unseen.add(log)
        facts = [(e.data["person"], e.occurred_at) for e in log.of_type(PERSON_FORGOTTEN)]
        again = [person for person, _ in facts if person in self._keys]
        for person, at in facts:
            if person in again or person not in self._forgotten:
                self.forget(person, at)
        return again

    def replace_lost_key(self, person: str) -> None:
        """Go on with a new key for a person whose key was lost.

        What the old one sealed is read as `NO_KEY` from now on, also if the key is found again: put
        it back first, if there is a backup of the keys. Nothing is changed for those who have one.
        """
        with self._lock:
            if person not in self._lost_persons():
                raise VaultError(
                    f"The key of {person!r} is not lost, so there is nothing to replace."
                )
            self._lost.discard(person)
            self._make(person, replaces=True)

    def _make(self, person: str, *, replaces: bool = False) -> Key:
        key = Key(AESGCM.generate_key(256), replaces)
        if self._files is not None:
            # On the disk before the first event: a sealed value without a key is lost.
            self._files.keep(person, key)
        self._keys[person] = key
        return key

    def _lost_persons(self) -> set[str]:
        """Those of whom a log holds sealed values that no key opens."""
        for log in self._unseen:
            with suppress(StoreClosedError):
                for text in log.data_with('"sealed"'):
                    values = load_json(text).values()
                    self._lost |= {value["sealed"] for value in values if _is_sealed(value)}
        self._unseen.clear()
        self._lost -= self._keys.keys() | self._forgotten.keys()
        return self._lost


class _Opening(Upcasters):
    """The steps of a store, and before them the opening of what is sealed."""

    def __init__(self, inner: Upcasters, vault: KeyVault) -> None:
        super().__init__(newer=inner.newer)
        # The same registry: its owner may register steps later.
        self._steps, self._downs, self._limits = inner._steps, inner._downs, inner._limits
        self._vault = vault

    def __bool__(self) -> bool:
        return bool(self._vault.personal) or super().__bool__()

    def around(self, other: Upcasters) -> Upcasters:
        return self._vault.steps(other)

    def touches(self, event_type: str, version: int) -> bool:
        return event_type in self._vault.personal or super().touches(event_type, version)

    def path(self, event_type: str, version: int) -> str:
        steps = super().path(event_type, version)
        return f"opened {steps}" if event_type in self._vault.personal else steps

    def shapes(self, event_type: str, version: int, text: str, place: Place) -> list[Shape]:
        if event_type in self._vault.personal:
            number, aggregate_id, _ = place
            opened = self._vault.open(load_json(text), aggregate_id, number)
            text = dump_json(opened, "opened data")
        return super().shapes(event_type, version, text, place)


def forget(store: EventStore, person: str, *, reason: str = "") -> Event:
    """Forget a person: note it in the log as `PersonForgotten`, then destroy the key.

    The event says how many events had what sealed, and nothing of what it was. It is the last of
    the stream "person-<id>". A second call changes nothing and returns the first event. Snapshots
    and read models are not touched: see `esnb.privacy.find_copies.find_copies`.
    """
    vault = store.vault
    if not isinstance(vault, KeyVault):
        raise VaultError("This store has no vault, so nothing in it is sealed: EventStore(vault=)")
    stream = f"person-{person}"
    noted = [e for e in store.events(stream) if e.event_type == PERSON_FORGOTTEN]
    if not noted:
        if person not in vault.persons():
            raise VaultError(
                f"The vault has no key for {person!r}, so nothing of theirs is sealed. It has keys "
                f"for: {', '.join(vault.persons()[:5]) or 'nobody'}."
            )
        counts: dict[str, int] = {}
        events = 0
        for text in store.data_with(dump_json({"": person}, "person")[5:-2]):
            theirs = [
                n for n, v in load_json(text).items() if _is_sealed(v) and v["sealed"] == person
            ]
            events += bool(theirs)
            for name in theirs:
                counts[name] = counts.get(name, 0) + 1
        said = new_event(
            PERSON_FORGOTTEN,
            person=person,
            reason=reason,
            events=events,
            fields=dict(sorted(counts.items())),
        )
        done = store.append(stream, [said], expected_version=0, aggregate_type="PERSON")
        noted = list(done.events)
    # After the event: if this process dies here, opening the store finishes the work.
    vault.forget(person, noted[0].occurred_at)
    return noted[0]


def _checked(personal: Personal) -> dict[str, dict[str, list[str]]]:
    checked: dict[str, dict[str, list[str]]] = {}
    try:
        for kind, owners in personal.items():
            checked[kind] = {}
            for owner, names in owners.items():
                if isinstance(names, str) or not all(isinstance(n, str) for n in (owner, *names)):
                    raise TypeError
                checked[kind][owner] = list(names)
            every = [name for names in checked[kind].values() for name in names]
            if len(set(every)) < len(every) or set(every) & owners.keys():
                raise InvalidEventError(
                    f"personal[{kind!r}]: each field belongs to one person, and the field that "
                    f"names a person is not sealed itself. Found {owners!r:.80}."
                )
    except (AttributeError, TypeError):
        raise InvalidEventError(
            "personal says which fields are whose, for each event type: "
            "{'CustomerRegistered': {'customer': ['name', 'email']}}. "
            f"Found {personal!r:.80}."
        ) from None
    return checked


def _is_sealed(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == _SHAPE
        and all(isinstance(part, str) for part in value.values())
    )


def _bound(aggregate_id: str | None, sequence_number: int | None, name: str) -> bytes:
    return f"{aggregate_id}\0{sequence_number}\0{name}".encode()


def _text(data: Json) -> str:
    return json.dumps(data, sort_keys=True)
