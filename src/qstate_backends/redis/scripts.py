"""The script by which several keys are required and written as one."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from qstate.backend import Version
from qstate_backends.redis.records import HEAD, MAGIC

WINDOW: Final = 60_000
"""Milliseconds of which the operations are remembered in one hash."""


class Script(NamedTuple):
    """A Lua script and the name that the server knows it by, once it has seen it."""

    source: str
    sha1: str


def _script(source: str) -> Script:
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


_VERSION: Final = r"""
local function version_of(key)
  local head = redis.pcall('GETRANGE', key, 0, HEAD_END)
  if type(head) == 'table' then
    return nil, head
  end
  if #head > HEAD_END and string.sub(head, 1, 2) == 'MAGIC' then
    return string.sub(head, 3)
  end
  if head == '' and redis.call('EXISTS', key) == 0 then
    return ''
  end
  local digest = string.sub(redis.sha1hex(redis.call('GET', key)), 3, 32)
  return '\255' .. string.gsub(digest, '%x%x', function(pair)
    return string.char(tonumber(pair, 16))
  end)
end
""".replace("HEAD_END", str(HEAD - 1)).replace("MAGIC", "".join(f"\\{byte}" for byte in MAGIC))

WRITE: Final = _script(
    _VERSION
    + r"""
-- KEYS: where applied operations are remembered; those required; those written.
-- ARGV: how many are required; the operation's id, '' for one that is not remembered; the versions
-- required, '' for absent; then for each key written its value and its expiry: '' for none, 'keep',
-- 'delete', or milliseconds.
-- Replies how many keys were deleted; or which requirement did not hold and the version that
-- stands there, '' for none.
local required, id = tonumber(ARGV[1]), ARGV[2]
if id ~= '' then
  local removed = redis.call('HGET', KEYS[1], id)
  if removed then
    return tonumber(removed)
  end
end
for i = 1, required do
  local actual, problem = version_of(KEYS[i + 1])
  if problem then
    return problem
  end
  if actual ~= ARGV[i + 2] then
    return {i, actual}
  end
end
local removed, first = 0, required + 2
for i = first, #KEYS do
  local value, expiry = ARGV[2 * i - required - 1], ARGV[2 * i - required]
  local reply
  if expiry == 'delete' then
    reply = redis.pcall('DEL', KEYS[i])
  elseif expiry == '' then
    reply = redis.pcall('SET', KEYS[i], value)
  elseif expiry == 'keep' then
    reply = redis.pcall('SET', KEYS[i], value, 'KEEPTTL')
  else
    reply = redis.pcall('SET', KEYS[i], value, 'PX', expiry)
  end
  if type(reply) == 'number' then
    removed = removed + reply
  elseif reply.err then
    return i == first and reply or redis.error_reply('PARTIAL ' .. reply.err)
  end
end
if id ~= '' and first <= #KEYS then
  local reply = redis.pcall('HSET', KEYS[1], id, removed)
  if type(reply) == 'table' and reply.err then
    return redis.error_reply('PARTIAL ' .. reply.err)
  end
  redis.call('PEXPIRE', KEYS[1], REMEMBERED)
end
return removed
""".replace("REMEMBERED", str(3 * WINDOW))
)


def memory_of(operation: Version) -> str:
    """The key of the hash in which an operation is remembered; by its time, so that all expire."""
    return f"\0applied/{int.from_bytes(operation[:6]) // WINDOW}"
