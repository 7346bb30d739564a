"""Personal data in a log that keeps everything: a key per person, and where copies are left."""

from esnb.privacy.find_copies import find_copies
from esnb.privacy.key_files import VaultError
from esnb.privacy.vault import KeyVault, forget

__all__ = ["KeyVault", "VaultError", "find_copies", "forget"]
