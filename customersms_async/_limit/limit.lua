-- The shared limit of one account: one call of one member, all of it or nothing.
--
-- Theory of operation
-- ===================
--
-- A *member* is the queue of one account in one event loop of one process. It calls when somebody
-- of it wants a slot, and when it was told to come back. Completions ride along. Each call
--
--   1. takes in how requests of the member ended,
--   2. puts the member in the line of each lane in which somebody of it waits,
--   3. lets go whom the three gates let through: the pause, the bucket, the window,
--   4. says when it makes sense to call again.
--
-- Rules of this file:
--
--   1. The clock is the server's, and never runs backwards: a step back is made up for.
--   2. A slot is busy until an instant that is known from the start. What dies holds it no longer
--      than that, and what ends moves it as `_window.py` says. Every instant errs to the late side.
--   3. Members take turns. A slot that is another member's turn is left to it until it should have
--      come; who is late is passed over, and who stays away has lost its place.
--   4. A call that is made again, since its answer was lost, takes no slot twice: the caller names the
--      leases, and what was granted unheard is granted to it anew, or is free.
--   5. A store that has lost its memory, or may have, grants nothing for one look-back.
--
-- KEYS: the clock of all accounts (hash); state and lines (hash), requests in flight (sorted set:
-- lease, until when the slot is busy), requests that have ended (same) of this account.
-- ARGV: what is asked, and the rules, both JSON; `_script.py` has their fields. Seconds throughout.

local CLOCK, STATE, FLYING, ENDED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local SENDS_IN_A_ROW = 9  -- then a bulk run that waits has its turn
local LATE_BY = 0.1  -- seconds that a member may be late before others take its turn
local LOST_AFTER = 1  -- seconds after which a member that is late has lost its place
local SHORTEST_WAIT = 0.02  -- seconds, where it is another member's turn
local PROMPT = 1  -- seconds within which a refusal tells how full the window was
local ROUNDING = 0.0001  -- seconds; so that who comes when it was told to is not a little early
local NEVER = -1e12  -- an instant before all others
local KEEPS = 3600  -- seconds that an idle account is known beyond any look-back and pause
local KEEPS_CLOCK = 31536000  -- seconds that a store in which nobody is active is known

local ask, rules = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local period = rules.per + rules.margin
local look_back = ask.longest + rules.grace + period

local function exact(number)
  return string.format('%.17g', number)
end

-- The clock ----------------------------------------------------------------------------------------

local function server_time()
  local time = redis.call('TIME')
  return time[1] + time[2] / 1000000
end

-- Names this run of the server: another one may lack the last calls of the one before, whether it
-- read them from a disk or had them from a replica. Nil where the server does not say.
local function server_run()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%x+)') or nil
end

local clock = redis.call('HMGET', CLOCK, 'offset', 'last', 'opens_at', 'run')
local raw = ask.now or server_time()
local offset, last = tonumber(clock[1]) or 0, tonumber(clock[2]) or raw
if raw + offset < last then
  offset = last - raw
end
local now = math.max(raw + offset, last)
-- Nothing is known of what was let go before: either the store is new, or it has lost it.
local run = server_run()
local store_opens_at = tonumber(clock[3])
if rules.trusts_empty then
  store_opens_at = store_opens_at or now
elseif not store_opens_at or (run and run ~= clock[4]) then
  store_opens_at = now + look_back
end

-- What is known of the account ----------------------------------------------------------------------

local state, lines = {}, {send = {}, bulk = {}}
local heard = -1  -- the last call of the caller that is known here

local function read_state()
  local fields = redis.call('HGETALL', STATE)
  for i = 1, #fields, 2 do
    local lane, member = string.match(fields[i], '^(%a+):(.+)$')
    if lane == 'heard' then
      local call, at = string.match(fields[i + 1], '(%S+) (%S+)')
      if member == ask.member then
        heard = tonumber(call)
      elseif tonumber(at) + 2 * look_back < now and not ask.is_question then
        redis.call('HDEL', STATE, fields[i])
      end
    elseif lane then
      local place, waiting, more, expected = string.match(fields[i + 1], '(%S+) (%S+) (%S+) (%S+)')
      if tonumber(expected) + LOST_AFTER < now and not ask.is_question then
        redis.call('HDEL', STATE, fields[i])
      elseif member ~= ask.member then
        table.insert(lines[lane], {
          member = member,
          place = tonumber(place),
          waiting = tonumber(waiting),
          more = tonumber(more),
          expected_at = tonumber(expected),
        })
      end
    else
      state[fields[i]] = fields[i + 1]
    end
  end
end

read_state()
local pause_until = tonumber(state.pause_until) or NEVER
local pause_began = tonumber(state.pause_began) or NEVER
local pause_step = tonumber(state.pause_step) or 0
local due = tonumber(state.due) or NEVER  -- when the bucket's next token is due, had it no burst
local is_refused = state.is_refused == '1'
-- Whether bulk runs wait for the window. Tokens that gather meanwhile are of no use: spent at once,
-- they would leave a gap behind in which no slot opens, for single messages either.
local is_held = state.is_held == '1'
local refused_by_others = tonumber(state.refused_by_others) or 0
local sends_in_a_row = tonumber(state.sends_in_a_row) or 0
local places = tonumber(state.places) or 0
local sequence = tonumber(state.sequence) or 0
local born_at = tonumber(state.born_at) or now
local generation = state.generation or ask.call
local opens_at = math.max(store_opens_at, tonumber(state.opens_at) or NEVER)

-- A member that has heard from this account within one look-back knows how far it was itself.
if ask.generation and ask.generation ~= generation then
  opens_at = math.max(opens_at, born_at + look_back)
elseif ask.generation and ask.sequence > heard then
  generation, born_at = ask.call, now
  opens_at = math.max(opens_at, now + look_back)
end
sequence = sequence + 1

-- The window ---------------------------------------------------------------------------------------

local function forget_the_past()
  redis.call('ZREMRANGEBYSCORE', FLYING, '-inf', exact(now))
  redis.call('ZREMRANGEBYSCORE', ENDED, '-inf', exact(now))
end

local function count_busy()
  return redis.call('ZCARD', FLYING) + redis.call('ZCARD', ENDED)
end

-- Says of the slots that open next, so many at the least, when each does at the earliest: those in
-- flight may be answered this instant.
local opens, opens_known = {}, 0
local function next_openings(number)
  if number <= opens_known then
    return opens
  end
  opens, opens_known = {}, number
  for _, key in ipairs({ENDED, FLYING}) do
    local found = redis.call('ZRANGE', key, 0, number - 1, 'WITHSCORES')
    for i = 2, #found, 2 do
      local at = tonumber(found[i])
      table.insert(opens, key == FLYING and math.min(at, now + period) or at)
    end
  end
  table.sort(opens)
  return opens
end

-- Says when the waiter at that place of the order could have a slot at the earliest, where `spare`
-- slots must be left.
local function opening_for(place, spare)
  local slots = rules.limit - spare
  local rounds = math.floor((place - 1) / slots)
  local free = slots - count_busy()
  local missing = place - rounds * slots - free
  local at = now
  if missing > 0 then
    next_openings(missing)
    local first = free > 0 and now or opens[1]
    at = math.min(opens[missing], first + period)
  end
  return at + rounds * period
end

-- The bucket ---------------------------------------------------------------------------------------

local function is_paced(lane)
  return is_refused or (lane == 'bulk' and rules.burst < rules.limit)
end

local function bucket()
  if is_refused then
    return 1, rules.slow_interval
  end
  return rules.burst, rules.interval
end

-- Says when the bucket's next token is due, had it no burst: not before now, and where bulk runs were
-- held up, so late that there is one token.
local function due_from_now(its_due)
  local burst, interval = bucket()
  return math.max(its_due, is_held and now + (burst - 1) * interval or now)
end

-- Says when the waiter at that place of the order could have a token.
local function token_for(place, its_due)
  local burst, interval = bucket()
  return math.max(now, due_from_now(its_due) + (place - burst) * interval)
end

local function due_after_one_more(its_due)
  local _, interval = bucket()
  return due_from_now(its_due) + interval
end

-- How requests ended -------------------------------------------------------------------------------

local function refused(at, granted_at, retry_after)
  if granted_at >= pause_began then
    pause_began = at
    pause_step = math.min(math.max(2 * pause_step, rules.first_pause), rules.longest_own_pause)
  end
  local seconds = retry_after and math.min(retry_after, rules.longest_pause) or pause_step
  pause_until = math.max(pause_until, at + seconds)
  if not is_refused then
    is_refused = true
    due = due_after_one_more(now)
  end
end

-- For how long after the end of a request its slot stays busy.
local BUSY_AFTER = {answered = period, refused = period, lost = rules.grace + period}

local function take_in(ended)
  local at = now - ended.age
  local is_full = count_busy() >= rules.limit
  local is_first_told = redis.call('ZREM', FLYING, ended.lease) == 1
  if ended.how == 'refused' then
    if is_first_told and not is_full and ended.age < PROMPT then
      refused_by_others = refused_by_others + 1
    end
    refused(at, tonumber(ended.granted_at), ended.retry_after)
  elseif ended.how == 'answered' then
    pause_step = 0
  end
  local busy_after = BUSY_AFTER[ended.how]
  if busy_after and at + busy_after > now then
    redis.call('ZADD', ENDED, exact(at + busy_after), ended.lease)
  end
end

-- The lines ----------------------------------------------------------------------------------------

local function comes_before(one, other)
  if one.place ~= other.place then
    return one.place < other.place
  end
  return one.member < other.member
end

local function new_place()
  places = places + 1
  return places
end

local function stand_in_line(lane)
  local wish = ask[lane]
  if wish then
    places = math.max(places, wish.place or 0)  -- of a time that the store has forgotten
    table.insert(lines[lane], {
      member = ask.member,
      place = wish.place or new_place(),
      waiting = wish.waiting,
      more = wish.more,
      is_caller = true,
    })
  end
  table.sort(lines[lane], comes_before)
end

-- Says whether a member should have come by now, so that others need not leave it a slot.
local function is_late(entry)
  local _, interval = bucket()
  return not entry.is_caller and entry.expected_at + math.max(interval, LATE_BY) < now
end

local function find_own(lane)
  for i, entry in ipairs(lines[lane]) do
    if entry.is_caller then
      return i, entry
    end
  end
end

local function count_waiting(lane)
  local count = 0
  for _, entry in ipairs(lines[lane]) do
    count = count + entry.waiting
  end
  return count
end

local function lease_name(number)
  return ask.member .. ':' .. string.format('%.0f', number)
end

-- Gives the caller anew what it was granted in calls whose answer it has not heard, as far as
-- somebody wants it; the rest is free. Returns how many leases bear such names.
local function grant_anew(granted, own)
  local named = 0
  for number = ask.first_lease, ask.first_lease + math.min(ask.unheard or 0, rules.limit) - 1 do
    local name = lease_name(number)
    if redis.call('ZSCORE', FLYING, name) then
      named = number - ask.first_lease + 1
      local lane = own.send and own.send.waiting > 0 and 'send'
        or own.bulk and own.bulk.waiting > 0 and 'bulk'
      if lane then
        redis.call('ZADD', FLYING, 'GT',
          exact(now + ask[lane].longest + rules.grace + period), name)
        table.insert(granted[lane], {number, own[lane].place})
        own[lane].waiting = own[lane].waiting - 1
      else
        redis.call('ZREM', FLYING, name)
      end
    end
  end
  return named
end

-- Who is served: all that the gates let through are served in thought, each member in its turn, and
-- the caller's own indeed.
local function serve()
  local granted, own = {send = {}, bulk = {}}, {}
  for lane in pairs(lines) do
    own[lane] = select(2, find_own(lane))
  end
  local named = grant_anew(granted, own)
  local wanted = (own.send and own.send.waiting or 0) + (own.bulk and own.bulk.waiting or 0)
  local busy, its_due, in_a_row = count_busy(), due, sends_in_a_row
  local queues, heads, waiting = {}, {send = 1, bulk = 1}, {}
  for lane, line in pairs(lines) do
    waiting[lane] = count_waiting(lane)
    queues[lane] = {}
    for _, entry in ipairs(line) do
      if not is_late(entry) then
        table.insert(queues[lane],
          {entry = entry, left = entry.waiting + entry.more, place = entry.place})
      end
    end
  end

  local function is_through(lane)
    local spare = lane == 'bulk' and in_a_row < SENDS_IN_A_ROW and rules.reserve or 0
    return queues[lane][heads[lane]]
      and busy + spare < rules.limit
      and (not is_paced(lane) or token_for(1, its_due) <= now)
  end

  local function next_lane()
    local is_bulk_due = in_a_row >= SENDS_IN_A_ROW and waiting.bulk > 0
    local first, second = 'send', 'bulk'
    if is_bulk_due then
      first, second = second, first
    end
    return is_through(first) and first or is_through(second) and second
  end

  local function let_go(lane, turn)
    local number = ask.first_lease + named
    named = named + 1
    redis.call('ZADD', FLYING, 'GT',
      exact(now + ask[lane].longest + rules.grace + period), lease_name(number))
    table.insert(granted[lane], {number, turn.place})
    turn.entry.waiting = turn.entry.waiting - 1
    wanted = wanted - 1
    due = is_paced(lane) and due_after_one_more(due) or due
    is_held = is_held and lane == 'send'
    sends_in_a_row = lane == 'send' and waiting.bulk > 0 and sends_in_a_row + 1 or 0
  end

  while wanted > 0 and now >= math.max(pause_until, opens_at) do
    local lane = next_lane()
    if not lane then
      break
    end
    local turn = queues[lane][heads[lane]]
    heads[lane] = heads[lane] + 1
    local is_served = not turn.entry.is_caller or turn.entry.waiting > 0
    if turn.entry.is_caller and is_served then
      let_go(lane, turn)
      turn.entry.place = new_place()
    end
    if is_served then
      busy = busy + 1
      its_due = is_paced(lane) and due_after_one_more(its_due) or its_due
      in_a_row = lane == 'send' and waiting.bulk > 0 and in_a_row + 1 or 0
      waiting[lane] = waiting[lane] - (turn.left > turn.entry.more and 1 or 0)
      if turn.left > 1 then
        table.insert(queues[lane], {entry = turn.entry, left = turn.left - 1, place = turn.entry.place})
      end
    end
  end
  local is_full = count_busy() + rules.reserve >= rules.limit
  is_held = #lines.bulk > 0 and (is_held or is_full)
  return granted
end

-- When to come back --------------------------------------------------------------------------------

-- Says when the caller's waiter at that place of its own could be let go at the earliest.
local function turn_of(lane, own_place, polls)
  local place, after = own_place, now
  for _, entry in ipairs(lines[lane]) do
    if entry.is_caller then
      break
    elseif not is_late(entry) then
      place = place + 1
      after = entry.expected_at
    end
  end
  local slot, spare = place, 0
  if lane == 'bulk' then
    spare = sends_in_a_row < SENDS_IN_A_ROW and rules.reserve or 0
    slot = place + math.min(count_waiting('send'), math.max(SENDS_IN_A_ROW * place - sends_in_a_row, 0))
  end
  local at = opening_for(slot, spare)
  if polls and redis.call('ZCARD', FLYING) > 0 then
    at = math.min(at, now + rules.poll)  -- what is in flight may turn out never to have left
  end
  if is_paced(lane) then
    local _, interval = bucket()
    at = math.max(at, token_for(place, due), is_held and place > own_place and after + interval or now)
  end
  return math.max(at, pause_until, opens_at)
end

local function tell(lane, granted)
  local told = {granted = #granted > 0 and granted or nil}
  table.sort(lines[lane], comes_before)
  local i, entry = find_own(lane)
  if not entry then
    return told
  end
  local name = lane .. ':' .. ask.member
  if entry.waiting + entry.more == 0 then
    table.remove(lines[lane], i)
    redis.call('HDEL', STATE, name)
    return told
  end
  local at = turn_of(lane, 1, true)
  if entry.waiting > 0 then
    at = math.max(at, now + SHORTEST_WAIT)
  end
  told.wait, told.place = at - now + ROUNDING, entry.place
  redis.call('HSET', STATE, name, table.concat(
    {exact(entry.place), entry.waiting, entry.more, exact(at)}, ' '))
  if ask.wants_forecast and entry.waiting > 0 then
    told.forecast = {}
    next_openings(rules.limit)
    for place = 1, math.min(entry.waiting, rules.limit) do
      told.forecast[place] = turn_of(lane, place, false) - now
    end
  end
  return told
end

-- The call -----------------------------------------------------------------------------------------

local function next_free_in()
  local missing = count_busy() + 1 - rules.limit
  if missing <= 0 then
    return 0
  end
  local found = redis.call('ZRANGE', ENDED, missing - 1, missing - 1, 'WITHSCORES')
  return found[2] and tonumber(found[2]) - now or nil
end

local function usage()
  return {
    busy = count_busy(),
    in_flight = redis.call('ZCARD', FLYING),
    waiting = count_waiting('send') + count_waiting('bulk'),
    next_free_in = next_free_in(),
    refused_by_others = refused_by_others,
  }
end

local function keep()
  redis.call('HSET', CLOCK, 'offset', exact(offset), 'last', exact(now),
    'opens_at', exact(store_opens_at), 'run', run or '')
  redis.call('HSET', STATE,
    'pause_until', exact(pause_until), 'pause_began', exact(pause_began),
    'pause_step', exact(pause_step), 'due', exact(due), 'is_refused', is_refused and 1 or 0,
    'is_held', is_held and 1 or 0,
    'refused_by_others', refused_by_others, 'sends_in_a_row', sends_in_a_row, 'places', exact(places),
    'sequence', exact(sequence), 'generation', generation, 'born_at', exact(born_at),
    'opens_at', exact(opens_at),
    'heard:' .. ask.member, exact(sequence) .. ' ' .. exact(now))
  local lasts = math.ceil(2 * look_back + rules.longest_pause + KEEPS)
  redis.call('EXPIRE', CLOCK, lasts + KEEPS_CLOCK)
  for _, key in ipairs({STATE, FLYING, ENDED}) do
    redis.call('EXPIRE', key, lasts)
  end
end

local answer = {
  now = exact(now),
  paused_for = pause_until > now and pause_until - now or nil,
  generation = generation,
}
forget_the_past()
if ask.is_question then
  answer.usage = usage()
  return cjson.encode(answer)
end
for _, ended in ipairs(ask.ended or {}) do
  take_in(ended)
end
stand_in_line('send')
stand_in_line('bulk')
local granted = serve()
answer.send, answer.bulk = tell('send', granted.send), tell('bulk', granted.bulk)
answer.generation, answer.sequence = generation, sequence
answer.paused_for = pause_until > now and pause_until - now or nil
answer.opens_in = opens_at > now and opens_at - now or nil
answer.is_shared = refused_by_others > 0 or nil
keep()
return cjson.encode(answer)
