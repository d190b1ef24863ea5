-- Announces what changes in this Orthanc to the webhook of orthanc-mirror: identifiers only, in batches.
-- It shortens the delay of a mirror and tells deletions; what it cannot send, the schedule of the mirror finds anyway.
-- For Orthanc 1.2.1 to 1.13. List it last in "LuaScripts": handlers that were defined before it keep working.
-- All about it: docs/hooks.md

-- The three settings.
local WEBHOOK_URL = 'https://example.invalid/announce'
local MIRROR = 'main'
local SECRET = 'file:/etc/orthanc/orthanc-mirror.secret' -- or 'env:NAME'; the first line is the secret

-- Limits. An event is at most 106 bytes of JSON, and the webhook takes 500 events and 64 KiB.
local BATCH_EVENTS = 500
local MOST_NEWS = 20000 -- beyond, the oldest are forgotten: the schedule finds them
local MOST_DELETIONS = 200000
-- While a request to the webhook runs, Orthanc stores nothing: it shares the lock of the Lua interpreter.
local TIMEOUT_SECONDS = 1 -- from Orthanc 1.11.1 on; before, the option "HttpTimeout" of Orthanc holds
local LONGEST_HTTP_TIMEOUT_SECONDS = 10 -- with a longer "HttpTimeout" than this, nothing is sent before 1.11.1
local FIRST_WAIT_SECONDS = 5 -- without an attempt, after a failure; doubles with each further one
local LONGEST_WAIT_SECONDS = 300
local WAIT_PER_BLOCKED_SECOND = 10 -- so that at most a tenth of the time is spent waiting for a dead webhook
local SENDS_PER_SECOND_ALONE = 2 -- without a heartbeat, nobody sends later what is held back now
local STORE = 'orthanc-mirror-hook' -- of the key-value store that keeps unsent deletions

-- A first-in-first-out queue; `events[first]` is the oldest.
local function newQueue()
  return { first = 1, last = 0, events = {} }
end

local news = newQueue() -- stored, updated, stable
local deletions = newQueue()
local waiting = {} -- what is in `news`, to announce each thing once
local breaker = { failures = 0, pausedUntil = 0 }
local sentIn = { second = 0, count = 0 }
local hasHeartbeat = false
local started = false
local isInactive = false
local secret = nil
local setHttpTimeout = SetHttpTimeout -- nil before Orthanc 1.11.1
local httpTimeoutOfOthers = nil
local isDurable = false -- whether unsent deletions are kept in the database
local handlers = {} -- our handlers, by name

local function count(queue)
  return queue.last - queue.first + 1
end

local function push(queue, event)
  queue.last = queue.last + 1
  queue.events[queue.last] = event
end

local function pop(queue)
  local event = queue.events[queue.first]
  queue.events[queue.first] = nil
  queue.first = queue.first + 1
  return event
end

-- A failure in here must never become one of the server or of another script.
local function guarded(action, ...)
  local ok, failure = pcall(action, ...)
  if not ok then
    print('orthanc-mirror: ' .. tostring(failure))
  end
end

local function readSecret()
  local kind, place = SECRET:match('^(%a+):(.+)$')
  local text = nil
  if kind == 'env' then
    text = os.getenv(place)
  elseif kind == 'file' then
    local file = io.open(place, 'r')
    if file then
      text = file:read('*l')
      file:close()
    end
  else
    text = SECRET
  end
  return text and text:match('^%s*(%S+)%s*$')
end

-- Deletions in the database (StoreKeyValue: Orthanc 1.13.0 on SQLite or PostgreSQL). The store cannot be listed from
-- Lua, so deletion number n lies under the key n, and the key 'first' holds the number of the oldest unsent one.
local function keepDeletion(number, event)
  if isDurable then
    StoreKeyValue(STORE, string.format('%d', number), event)
  end
end

-- 'first' moves before the values go: what a crash leaves behind is then below it, and not announced again.
local function forgetDeletions(from, to)
  if isDurable and to >= from then
    StoreKeyValue(STORE, 'first', string.format('%d', to + 1))
    for number = from, to do
      DeleteKeyValue(STORE, string.format('%d', number))
    end
  end
end

-- Reads the unsent deletions of the run before.
local function restoreDeletions()
  if not StoreKeyValue then
    return
  end
  StoreKeyValue(STORE, 'probe', 'kept')
  isDurable = GetKeyValue(STORE, 'probe') == 'kept' -- not on MySQL, where each call only logs an error
  if not isDurable then
    return
  end
  deletions.first = math.floor(tonumber(GetKeyValue(STORE, 'first') or '') or 1)
  deletions.last = deletions.first - 1
  local event = GetKeyValue(STORE, string.format('%d', deletions.first))
  while event do
    push(deletions, event)
    event = GetKeyValue(STORE, string.format('%d', deletions.last + 1))
  end
end

local function configuredHttpTimeout()
  return math.floor(tonumber(GetOrthancConfiguration()['HttpTimeout']) or 60)
end

-- At the first event: Orthanc loads scripts in two interpreters, but tells events to one of them only.
local function startOnce()
  if started then
    return
  end
  started = true
  isInactive = not setHttpTimeout and configuredHttpTimeout() > LONGEST_HTTP_TIMEOUT_SECONDS
  if isInactive then
    print(string.format('orthanc-mirror: announces nothing, because a dead webhook would stop this server for %d s; '
      .. 'set "HttpTimeout" to at most %d, or use the Python hook', configuredHttpTimeout(),
      LONGEST_HTTP_TIMEOUT_SECONDS))
  end
  restoreDeletions()
end

local function eventOf(kind, level, id)
  return string.format('{"kind":"%s","level":"%s","id":"%s"}', kind, level, id)
end

local function addNews(kind, level, id)
  local event = eventOf(kind, level, id)
  if waiting[event] then
    return
  end
  if count(news) >= MOST_NEWS then
    waiting[pop(news)] = nil
  end
  waiting[event] = true
  push(news, event)
end

local function addDeletion(level, id)
  if count(deletions) >= MOST_DELETIONS then
    forgetDeletions(deletions.first, deletions.first)
    pop(deletions)
  end
  local event = eventOf('deleted', level, id)
  push(deletions, event)
  keepDeletion(deletions.last, event)
end

-- The next batch: deletions first, because nothing but this hook tells them soon.
local function nextBatch()
  local events = {}
  for number = deletions.first, math.min(deletions.last, deletions.first + BATCH_EVENTS - 1) do
    events[#events + 1] = deletions.events[number]
  end
  local deleted = #events
  for number = news.first, math.min(news.last, news.first + BATCH_EVENTS - deleted - 1) do
    events[#events + 1] = news.events[number]
  end
  return events, deleted
end

local function acknowledge(events, deleted)
  forgetDeletions(deletions.first, deletions.first + deleted - 1)
  for _ = 1, deleted do
    pop(deletions)
  end
  for _ = deleted + 1, #events do
    waiting[pop(news)] = nil
  end
end

-- SetHttpTimeout holds for the whole interpreter: other scripts get back what they had set, or the configured value.
local function post(body)
  local headers = {
    ['Content-Type'] = 'application/json',
    ['X-Orthanc-Mirror-Secret'] = secret,
    ['Expect'] = '',
  }
  if not setHttpTimeout then
    return HttpPost(WEBHOOK_URL, body, headers)
  end
  setHttpTimeout(TIMEOUT_SECONDS)
  local ok, answer = pcall(HttpPost, WEBHOOK_URL, body, headers)
  setHttpTimeout(httpTimeoutOfOthers or configuredHttpTimeout())
  return ok and answer or nil
end

-- HttpPost tells no status: nil when there was no answer, '' (before 1.13.0) or the body when the webhook refused.
-- So only the answer that the webhook gives to exactly this batch is a success.
local function isAccepted(answer, size)
  if type(answer) ~= 'string' or answer:sub(1, 1) ~= '{' then
    return false
  end
  local parsed = ParseJson(answer)
  return type(parsed) == 'table' and parsed['v'] == 1 and parsed['accepted'] == size
end

local function refusalIn(answer)
  if type(answer) == 'string' then
    local code, field = answer:match('"error":"([%a-]+)"'), answer:match('"field":"([%w.]+)"')
    return code and (field and code .. ', field ' .. field or code)
  end
end

local function noteFailure(reason, blockedSeconds)
  breaker.failures = breaker.failures + 1
  local wait = math.min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ^ math.min(breaker.failures - 1, 10))
  wait = math.floor(math.max(wait, blockedSeconds * WAIT_PER_BLOCKED_SECOND))
  breaker.pausedUntil = os.time() + wait
  print(string.format('orthanc-mirror: the webhook did not take a batch (%s); %d deletions and %d others wait, '
    .. 'next attempt in %d s', reason, count(deletions), count(news), wait))
end

-- Sends one batch; what the webhook does not take stays in the queues.
local function sendBatch()
  secret = secret or readSecret()
  if not secret then
    noteFailure('SECRET cannot be read', 0)
    return
  end
  local events, deleted = nextBatch()
  local body = '{"v":1,"mirror":"' .. MIRROR .. '","events":[' .. table.concat(events, ',') .. ']}'
  local before = os.time()
  local answer = post(body)
  if not isAccepted(answer, #events) then
    secret = nil -- it may have been replaced since
    noteFailure(refusalIn(answer) or 'no answer, or refused', os.time() - before)
    return
  end
  breaker.failures = 0
  acknowledge(events, deleted)
end

-- Whether this second still has room for a batch that is not full, besides the one of the heartbeat.
local function mayHurry()
  local now = os.time()
  if sentIn.second ~= now then
    sentIn.second, sentIn.count = now, 0
  end
  if sentIn.count >= (hasHeartbeat and 1 or SENDS_PER_SECOND_ALONE) then
    return false
  end
  sentIn.count = sentIn.count + 1
  return true
end

-- Sends what waits, if it is time: full batches at once, others a few times per second or when `force` is set.
-- One call sends at most one batch, so that handlers of other scripts get their turn.
local function flush(force)
  local size = count(deletions) + count(news)
  if isInactive or size == 0 or os.time() < breaker.pausedUntil then
    return
  end
  if size >= BATCH_EVENTS or force or mayHurry() then
    sendBatch()
  end
end

-- Puts `ours` before the handler that has this name already.
local function chain(name, ours)
  local before = _G[name]
  local function handler(...)
    guarded(ours, ...)
    if type(before) == 'function' then
      return before(...)
    end
  end
  handlers[name] = handler
  _G[name] = handler
end

local function announcing(kind, level)
  return function(id)
    startOnce()
    if kind == 'deleted' then
      addDeletion(level, id)
    else
      addNews(kind, level, id)
    end
    -- After a stable resource nothing may happen for long.
    flush(kind == 'stable' and not hasHeartbeat)
  end
end

local function warnOfReplaced()
  for name, handler in pairs(handlers) do
    if _G[name] ~= handler then
      print('orthanc-mirror: a later script replaced ' .. name .. '; list orthanc-mirror.lua last in "LuaScripts"')
    end
  end
end

local levels = { Patient = 'patients', Study = 'studies', Series = 'series', Instance = 'instances' }
for suffix, level in pairs(levels) do
  chain('OnDeleted' .. suffix, announcing('deleted', level))
  chain('OnUpdated' .. suffix, announcing('updated', level))
  if suffix ~= 'Instance' then
    chain('OnStable' .. suffix, announcing('stable', level))
  end
end
chain('OnStoredInstance', announcing('stored', 'instances'))

chain('OnHeartBeat', function()
  if not hasHeartbeat then
    hasHeartbeat = true
    warnOfReplaced()
  end
  startOnce()
  flush(true)
end)

chain('Initialize', function()
  startOnce()
  warnOfReplaced()
end)

chain('Finalize', function()
  startOnce()
  flush(true)
end)

-- Remembers what other scripts set from now on; see `post`.
if setHttpTimeout then
  function SetHttpTimeout(seconds)
    httpTimeoutOfOthers = seconds
    setHttpTimeout(seconds)
  end
end
