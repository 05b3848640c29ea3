"""Backends that take two keys for one."""

import re
import unicodedata

from qstate.backend import NO_REQUIREMENTS

from .right import RightBackend


class Folded(RightBackend):
    """Takes keys for one another; how, its children say."""

    def fold(self, key):
        raise NotImplementedError

    def read(self, keys):
        return super().read([self.fold(key) for key in keys])

    def write(self, operations, *, require=NO_REQUIREMENTS):
        operations = [each._replace(key=self.fold(each.key)) for each in operations]
        super().write(operations, require={self.fold(key): require[key] for key in require})

    def remove(self, keys):
        return super().remove(list(dict.fromkeys(map(self.fold, keys))))


class FoldsCase(Folded):
    """``Key`` is ``key``."""

    def fold(self, key):
        return key.lower()


class FoldsTrailingSpaces(Folded):
    """``"key "`` is ``"key"``, as in a CHAR column."""

    def fold(self, key):
        return key.rstrip(" ") or key


class FoldsComposition(Folded):
    """An accent that is a character of its own is one with the letter before it."""

    def fold(self, key):
        return unicodedata.normalize("NFC", key)


class CutsLongKeys(Folded):
    """Keys are the same if their first 1,000 characters are."""

    def fold(self, key):
        return key[:1000]


class FoldsAccents(Folded):
    """``é`` is ``e``, as to a collation that is insensitive to accents."""

    def fold(self, key):
        letters = unicodedata.normalize("NFD", key)
        return "".join(letter for letter in letters if not unicodedata.combining(letter)) or key


class FoldsWidth(Folded):
    """Letters are one that have the same compatibility form."""

    def fold(self, key):
        return unicodedata.normalize("NFKC", key)


class ThreeByteCharacters(Folded):
    """All emoji are one, as in a character set whose characters have three bytes at most."""

    def fold(self, key):
        return "".join(letter if letter <= "\uffff" else "\ufffd" for letter in key)


class TakesSlashesTogether(Folded):
    """Keys are paths of files: ``a//b`` is ``a/b``."""

    def fold(self, key):
        return re.sub("/+", "/", key)
