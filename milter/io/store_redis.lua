-- What store_redis has Redis do at once. Each call is one of the operations
-- below; its numbers come packed in ARGV[1], and C reads the packed answers.
--
-- To make a function costs as much as to run it, and so does each word of a
-- command. So what nearly all charges need stands first: a TIME, an MGET, and
-- a SETRANGE for each window. It ends the script before anything is made that
-- few charges need. Only if there are overrides at all does C send their
-- fields, which is one HMGET more.
--
-- A window is a string, little-endian: version (1); doubles: per_ms, newest
-- slot, sum of all, count of the newest slot, 1 + slot of the last warning;
-- octets of an older count (1, 2, 4, or 8: then a double), age of the oldest
-- slot; then older slots, newer ones first: how many slots before the one
-- ahead of it (1 octet), its count. So a count in the same slot changes the
-- two numbers at SUM only, and moving on adds an entry in front and drops some
-- at the end.
--
-- The clock is a string of three doubles: the latest time that was written
-- down, how far it is ahead of the server's, how many overrides there are
-- (-1: not known).
--
-- All numbers are doubles here: counts end at FULL, and a max from there on is
-- none.
local call, pcall_, pack, unpack_at = redis.call, redis.pcall, struct.pack,
	struct.unpack
local arg = ARGV[1]
local op, is_look, not_after, clock, seen, windows, fields =
	unpack_at('<BBdddI2I2', arg)
local at = 31

-- The answers, each beginning with one of these, with whether fields are to be
-- sent the next time, and with the time.
local DONE, LATE, DAMAGED, MANY, BLIND = 0, 1, 2, 3, 4

-- The store's clock: the server's, but it never goes back. It is written down
-- about once a second; what the asker has seen makes up for the rest.
local old = call('MGET', unpack(KEYS, 1, 1 + windows))
local written = old[1]
local last, ahead, overrides = 0, 0, -1
if written and #written == 24 then
	last, ahead, overrides = unpack_at('<ddd', written)
end
local now = clock
if now == 0 then
	local time = call('TIME')
	local ms = time[2] / 1000
	now = time[1] * 1000 + ms - ms % 1
end
now = now + ahead
local clock_step = clock > 0 and 1 or 1000
local asks = overrides == 0 and 0 or 1

-- A charge of windows that are charged once each, and of no recipients. C has
-- reckoned how far below its max, its warning and FULL each window has to be.
local SIMPLE, CHARGE, REFUND, ADD, RESET, SET, UNSET, TIDY =
	0, 1, 2, 3, 4, 5, 6, 7
local control
if fields > 0 then
	control = call('HMGET', KEYS[#KEYS], unpack(ARGV, 2, 1 + fields))
elseif asks == 1 and op <= CHARGE then
	return pack('<BBd', BLIND, 1, now)
end
if op == SIMPLE and now <= not_after and now >= last and now >= seen
	and overrides >= 0 then
	local sums, looked = { 0, 0, 0, 0, 0, 0, 0, 0 }, nil
	local fits = true
	for i = 1, fields do
		if control[i] then
			fits = false
		end
	end
	for i = 2, 1 + windows do
		local value = old[i]
		local wanted, room, cost = unpack_at('<ddd', arg, at)
		at = at + 24
		if cost == 0 then
			looked = looked or {}
			looked[i] = true
		end
		if value and #value >= 43 then
			local version, per, newest, sum, count =
				unpack_at('<Bdddd', value)
			local into = now % wanted
			local part = into * 60 / wanted
			if not (sum < room) or per ~= wanted or version ~= 1
				or newest ~= (now - into) / wanted * 60 + part
				- part % 1 then
				fits = false
				break
			end
			sums[i - 1] = pack('<dd', sum + cost, count + cost)
		elseif not value and cost == 0 and room > 0
			and call('EXISTS', KEYS[i]) == 0 then
			sums[i - 1] = pack('<dd', 0, 0)
		else
			fits = false
			break
		end
	end
	if fits then
		if is_look == 0 then
			for i = 2, 1 + windows do
				local reply = not (looked and looked[i])
					and pcall_('SETRANGE', KEYS[i], '17',
						sums[i - 1])
				if reply and reply ~= #old[i] then
					return reply
				end
			end
			if now - last >= clock_step then
				local reply = pcall_('SET', KEYS[1],
					pack('<ddd', now, ahead, overrides))
				if reply.err then
					return reply
				end
			end
		end
		return pack('<BBd', DONE, asks, now) .. table.concat(sums, '', 1, windows)
	end
end

control = control or {}
local least = last > seen and last or seen
local is_behind = now < least
if is_behind then
	ahead = ahead + least - now
	now = least
end

local function answer(status)
	return pack('<BBd', status, asks, now)
end

if now > not_after then
	return answer(LATE)
end

local VERSION, HEAD, FULL = 1, 43, 9007199254740991
local HEAD_FORM = '<BdddddBB'
local floor, sub = math.floor, string.sub

-- What follows those numbers: for operations that don't charge all there is.
at = 31 + (op == SIMPLE and 24 * windows or 0)
local charges, looks, sets
charges, looks, sets, at = unpack_at('<I2I2I2', arg, at)

local FORMS = { '<BI1', '<BI2', nil, '<BI4', nil, nil, nil, '<Bd' }

-- How long Redis keeps a window: the last count leaves 61/60 of per after it
-- was made. By a test's clock that may be a while.
local function life(per)
	return string.format('%.0f', per + floor(per / 30) + 2
		+ (clock > 0 and 24 * 3600 * 1000 or 0))
end

local ended = {} -- fields of overrides to be removed

-- What few charges need, made only then.
local function make_rare()
	local function width_for(count)
		return count < 256 and 1 or count < 65536 and 2
			or count < 4294967296 and 4 or 8
	end

	-- Divided first, so that nothing is beyond a double's 53 bits.
	local function slot_of(per, time)
		local whole = floor(time / per)
		return whole * 60 + floor((time - whole * per) * 60 / per)
	end

	-- Writes come last, and the first that fails was the first of all: what Redis
	-- said is handed on as it is (READONLY, OOM, MISCONF).
	local function write_clock()
		local reply = pcall_('SET', KEYS[1],
			pack('<ddd', now, ahead, overrides))
		return reply.err and reply
	end

	local function count_overrides()
		local key = KEYS[#KEYS]
		overrides = call('HLEN', key)
			- (call('HGET', key, 'epoch') and 1 or 0)
		asks = overrides == 0 and 0 or 1
	end

	-- All but the usual: windows taken apart and put together, as policy/window.c
	-- does it.
	local function slowly()
		local slow = {}

		-- nil: damaged, or somebody else's.
		function slow.read(value)
			if #value < HEAD then
				return nil
			end
			local version, per, newest, sum, count, warned, width =
				unpack_at(HEAD_FORM, value)
			local form = FORMS[width]
			if version ~= VERSION or not form or not (per >= 1)
				or (#value - HEAD) % (width + 1) ~= 0 then
				return nil
			end
			local window = { per = per, newest = newest, warned = warned,
				counts = {} }
			if count > 0 then
				window.counts[newest] = count
			end
			local slot = newest
			for place = HEAD + 1, #value, width + 1 do
				local gap, older = unpack_at(form, value, place)
				slot = slot - gap
				window.counts[slot] = older
			end
			return window
		end

		function slow.empty(per)
			return { per = per, newest = 0, warned = 0, counts = {} }
		end

		function slow.write(window)
			local slots, sum, most = {}, 0, 0
			for slot, count in pairs(window.counts) do
				if count > 0 and slot <= window.newest
					and window.newest - slot <= 60 then
					sum = sum + count
					if slot < window.newest then
						slots[#slots + 1] = slot
						most = count > most and count or most
					end
				end
			end
			table.sort(slots, function(one, other) return one > other end)
			local width, slot, parts = width_for(most), window.newest, {}
			for i = 1, #slots do
				parts[i] = pack(FORMS[width], slot - slots[i],
					window.counts[slots[i]])
				slot = slots[i]
			end
			return pack(HEAD_FORM, VERSION, window.per, window.newest,
				sum < FULL and sum or FULL,
				window.counts[window.newest] or 0,
				window.warned, width, window.newest - slot)
				.. table.concat(parts)
		end

		function slow.begin_of(per, slot)
			local whole = floor(slot / 60)
			return whole * per + math.ceil((slot - whole * 60) * per / 60)
		end

		function slow.end_of(per, slot)
			local next_begin = slow.begin_of(per, slot + 1)
			return next_begin > 0 and next_begin - 1 or 0
		end

		function slow.add(window, slot, cost)
			local count = (window.counts[slot] or 0) + cost
			window.counts[slot] = count < FULL and count or FULL
		end

		function slow.advance(window, time)
			local slot = slot_of(window.per, time)
			if slot <= window.newest then
				return
			end
			for older in pairs(window.counts) do
				if slot - older > 60 then
					window.counts[older] = nil
				end
			end
			window.newest = slot
		end

		function slow.add_at(window, time, cost)
			local slot = slot_of(window.per, time)
			if slot > window.newest then
				slot = window.newest
			end
			if window.newest - slot <= 60 then
				slow.add(window, slot, cost)
			end
		end

		-- To the length per, upwards, and on to now.
		function slow.bring_up(window, per)
			if window.per ~= per then
				local was, counts = window.per, window.counts
				local newest = window.newest
				local begin = slow.begin_of(was, window.newest)
				window.per = per
				window.newest = slot_of(per, now > begin and now
					or begin)
				window.counts = {}
				for slot, count in pairs(counts) do
					slow.add_at(window, slow.end_of(was, slot),
						count)
				end
				local age = newest - (window.warned - 1)
				if window.warned > 0 and age >= 0 and age <= 60 then
					window.warned = 1 + math.min(window.newest,
						slot_of(per, slow.end_of(was,
							window.warned - 1)))
				else
					window.warned = 0
				end
			end
			slow.advance(window, now)
		end

		function slow.brought_up(value, per)
			local window = slow.read(value)
			if window then
				slow.bring_up(window, per)
				return slow.write(window)
			end
		end

		function slow.take_back(window, per, slot, cost)
			local first, final = slot, slot
			if per ~= window.per then
				local begin = slow.begin_of(per, slot)
				local till = slow.end_of(window.per, window.newest)
				if till - begin > math.min(per, window.per) then
					return
				end
				first = slot_of(window.per, begin)
				final = slot_of(window.per, slow.end_of(per, slot))
			end
			first = math.max(first, window.newest - 60)
			final = math.min(final, window.newest)
			for place = first, final do
				local there = window.counts[place] or 0
				local taken = there < cost and there or cost
				window.counts[place] = there - taken
				cost = cost - taken
			end
		end

		return slow
	end

	-- Of keys that MGET gave nothing for, one that is there all the same: it holds
	-- something that is no string, so it isn't ours.
	local function foreign()
		local absent = {}
		for i = 1, windows do
			if not old[1 + i] then
				absent[#absent + 1] = KEYS[1 + i]
			end
		end
		if #absent == 0 or call('EXISTS', unpack(absent)) == 0 then
			return nil
		end
		for i = 1, windows do
			if not old[1 + i] and call('EXISTS', KEYS[1 + i]) == 1 then
				return i
			end
		end
	end

	-- What the override in a field sets max to; nil: it has ended. One that can't
	-- be read is none: then the configured max holds.
	local function override(field)
		local value = control[field]
		if #value < 17 or value:byte() ~= VERSION then
			return nil
		end
		local _, max, ends = unpack_at('<BI8I8', value)
		if ends == 0 or now < ends then
			return max < FULL and max or math.huge
		end
		ended[#ended + 1] = ARGV[1 + field]
	end

	-- The sets of recipients that charges mean.
	local function read_sets()
		local known = {}
		for i = 1, sets do
			local first, count, learns
			first, count, learns, at = unpack_at('<I4I4B', arg, at)
				first = first + fields + 2
			known[i] = { first = first, last = first + count - 1,
				newer = KEYS[windows + 2 * i],
				older = KEYS[windows + 2 * i + 1],
				missing = {}, count = 0, learns = learns == 1 }
		end
		return known
	end

	-- Redis before 6.2 has to be asked for each.
	local function ask_set(key, from, to)
		local reply = pcall_('SMISMEMBER', key, unpack(ARGV, from, to))
		if not reply.err or reply.err:find('WRONGTYPE', 1, true) then
			return reply
		end
		reply = {}
		for i = from, to do
			reply[#reply + 1] = call('SISMEMBER', key, ARGV[i])
		end
		return reply
	end

	-- How many of its recipients each set has, and which its newer half hasn't.
	local function look_up(known)
		for i = 1, sets do
			local set = known[i]
			for from = set.first, set.last, 1000 do
				local to = math.min(from + 999, set.last)
				local newer = ask_set(set.newer, from, to)
				local older = ask_set(set.older, from, to)
				if newer.err or older.err then
					return newer.err and newer or older
				end
				for j = from, to do
					local k = 1 + j - from
					if newer[k] == 0 then
						set.missing[#set.missing + 1] = j
					end
					if newer[k] == 1 or older[k] == 1 then
						set.count = set.count + 1
					end
				end
			end
		end
	end

	-- After a change of generation those that were in the newer one are in the
	-- older one; they are added anew like the others.
	local GENERATION, KEPT_S = 1024, 90 * 24 * 3600

	local function remember(known)
		for i = 1, sets do
			local set = known[i]
			local list = set.learns and set.missing or {}
			local room = GENERATION - call('SCARD', set.newer)
			local place = 1
			while place <= #list do
				if room <= 0 then
					local all = {}
					call('RENAME', set.newer, set.older)
					for j = list[place], set.last do
						all[#all + 1] = j
					end
					list, place, room = all, 1, GENERATION
				end
				local members = {}
				while place <= #list and room > 0 do
					members[#members + 1] = ARGV[list[place]]
					place, room = place + 1, room - 1
				end
				call('SADD', set.newer, unpack(members))
			end
			call('EXPIRE', set.newer, KEPT_S)
			call('EXPIRE', set.older, KEPT_S)
		end
	end

	-- Windows that aren't charged, only mended: change(slow, window, i) does it.
	local function mend(form, change)
		local slow, new, lives = slowly(), {}, {}
		local absent = foreign()
		if absent then
			return answer(DAMAGED) .. pack('<I2', absent)
		end
		for i = 1, windows do
			local per, count
			per, count, at = unpack_at('<dI2', arg, at)
			lives[i] = life(per)
			local window = slow.empty(per)
			if old[1 + i] then
				window = slow.read(old[1 + i])
				if not window then
					return answer(DAMAGED) .. pack('<I2', i)
				end
			end
			local has_changed = false
			for _ = 1, count do
				local one, other
				one, other, at = unpack_at('<dd', arg, at)
				if change(slow, window, per, one, other, old[1 + i]) then
					has_changed = true
				end
			end
			new[i] = has_changed and slow.write(window)
		end
		for i = 1, windows do
			if new[i] then
				local reply = pcall_('SET', KEYS[1 + i], new[i],
					unpack(form == 'PX' and { 'PX',
						lives[i] }
						or { form }))
				if reply.err then
					return reply
				end
			end
		end
	end

	local function refund()
		local known = sets > 0 and read_sets() or {}
		local failed = mend('KEEPTTL',
			function(slow, window, per, slot, cost, is_there)
				if is_there then
					slow.take_back(window, per, slot, cost)
				end
				return is_there
			end)
		for i = 1, failed and 0 or sets do
			local set = known[i]
			for from = set.first, set.last, 1000 do
				local to = math.min(from + 999, set.last)
				call('SREM', set.newer, unpack(ARGV, from, to))
				call('SREM', set.older, unpack(ARGV, from, to))
			end
		end
		return failed
	end

	local function add_late()
		return mend('PX', function(slow, window, per, cost, age)
			if cost == 0 or age > now
				or slot_of(per, now) - slot_of(per, now - age) > 60 then
				return false
			end
			slow.bring_up(window, per)
			slow.add_at(window, now - age, cost)
			return true
		end)
	end

	local function next_epoch()
		if call('HSETNX', KEYS[#KEYS], 'epoch', string.format('%.0f', now)) == 0 then
			call('HINCRBY', KEYS[#KEYS], 'epoch', 1)
		end
	end

	local function done(number)
		return answer(DONE) .. pack('<d', number)
	end

	-- The clock is written whatever the time: whether Redis takes writes shows.
	local function change_control(change)
		local failed = write_clock()
		if failed then
			return failed
		end
		next_epoch()
		local number = change(KEYS[#KEYS])
		count_overrides()
		return write_clock() or done(number)
	end

	local function set()
		if not control[1]
			and call('HLEN', KEYS[#KEYS]) >= tonumber(ARGV[4]) + 1 then
			return answer(MANY)
		end
		return change_control(function(key)
			call('HSET', key, ARGV[2], ARGV[3])
			return 1
		end)
	end

	local function unset()
		local was_there = control[1] and override(1) and 1 or 0
		return change_control(function(key)
			call('HDEL', key, ARGV[2])
			return was_there
		end)
	end

	local function tidy()
		for i = 1, fields do
			if control[i] then
				override(i)
			end
		end
		local removed = #ended > 0
			and call('HDEL', KEYS[#KEYS], unpack(ended)) or 0
		count_overrides()
		return write_clock() or done(removed)
	end

	local function reset()
		return change_control(function()
			return call('DEL', KEYS[2])
		end)
	end

	local function other()
		if is_look == 1 then
			return done(0)
		end
		if op == REFUND then
			return refund() or done(0)
		end
		if op == ADD then
			return write_clock() or add_late() or done(0)
		end
		return ({ [RESET] = reset, [SET] = set, [UNSET] = unset,
			[TIDY] = tidy })[op]()
	end

	return { override = override, foreign = foreign, slowly = slowly,
		read_sets = read_sets, look_up = look_up, remember = remember,
		write_clock = write_clock, count_overrides = count_overrides,
		other = other }
end

local made

local function rare()
	made = made or make_rare()
	return made
end

-- What follows the head when a window of the same length moves on by step
-- slots, at most 60: its newest count goes in front, old ones leave behind.
local function moved_on(rest, step, width, span, sum, count)
	if count > 0 then
		local wider = count < 256 and 1 or count < 65536 and 2
			or count < 4294967296 and 4 or 8
		if wider > width then
			local parts = {}
			for place = 1, #rest, width + 1 do
				local gap, older = unpack_at(FORMS[width], rest,
					place)
				parts[#parts + 1] = pack(FORMS[wider], gap,
					older)
			end
			width, rest = wider, table.concat(parts)
		end
		rest = pack(FORMS[width], step, count) .. rest
		span = span + step
	elseif rest ~= '' then
		rest = string.char(rest:byte() + step) .. sub(rest, 2)
		span = span + step
	end
	while span > 60 do
		local gap, older = unpack_at(FORMS[width], rest, #rest - width)
		sum = sum - older
		span = span - gap
		rest = sub(rest, 1, -width - 2)
	end
	return width, span, sum, rest
end

-- Kinds of charges; the third is a look.
local COUNTED, REFUSAL = 0, 2

if op <= CHARGE then
	local charged, refusals, warnings, lives = {}, {}, {}, {}
	local fits, refuses, has_absent = true, false, false
	local known = sets > 0 and rare().read_sets() or {}
	local failed = sets > 0 and rare().look_up(known)
	local field = 0

	if failed then
		return failed
	end
	for i = 1, windows do
		local per, count_of
		per, count_of, at = unpack_at('<dI2', arg, at)
		lives[i] = life(per)
		local whole = floor(now / per)
		local slot = whole * 60 + floor((now - whole * per) * 60 / per)
		local width, span, newest, warned, sum, count, rest =
			1, 0, slot, 0, 0, 0, ''
		local value = old[1 + i]
		if value then
			local version, was_per
			if #value >= HEAD then
				version, was_per, newest, sum, count, warned,
					width, span = unpack_at(HEAD_FORM, value)
			end
			if version ~= VERSION or not FORMS[width]
				or (#value - HEAD) % (width + 1) ~= 0 then
				return answer(DAMAGED) .. pack('<I2', i)
			end
			if was_per ~= per or sum >= FULL then
				value = rare().slowly().brought_up(value, per)
				if not value then
					return answer(DAMAGED) .. pack('<I2', i)
				end
				version, was_per, newest, sum, count, warned,
					width, span = unpack_at(HEAD_FORM, value)
				rest = sub(value, HEAD + 1)
			elseif slot <= newest then
				rest = sub(value, HEAD + 1)
			elseif slot - newest > 60 then
				newest, sum, count, width, span =
					slot, 0, 0, 1, 0
			else
				width, span, sum, rest = moved_on(
					sub(value, HEAD + 1), slot - newest,
					width, span, sum, count)
				newest, count = slot, 0
			end
		else
			has_absent = true
		end

		local add, refused, most, percent_of = 0, 0, 0, 0
		for _ = 1, count_of do
			local kind, binding, set, cost, max, percent
			kind, binding, set, cost, max, percent, at =
				unpack_at('<BBI2ddB', arg, at)
			field = field + 1
			if control[field] then
				max = rare().override(field) or max
			end
			if set > 0 then
				local found = known[set].count
				cost = cost > found and cost - found or 0
			end
			local all = cost + add
			if binding > 0 and (sum + all > max
				or (sum >= FULL and all > 0)) then
				fits = false
				refuses = refuses or binding == 2
			end
			if kind == COUNTED then
				add = all
			elseif kind == REFUSAL then
				refused = refused + cost
			end
			most, percent_of = max, percent
		end
		local more = add > 0 and add or refused
		if more > 0 then
			count = count + more
			sum = sum + more
			if sum > FULL then
				sum = FULL
				count = count < FULL and count or FULL
			end
			if percent_of > 0 and most < FULL
				and sum * 100 >= most * percent_of
				and (warned == 0 or warned > newest + 1
					or newest >= warned + 60) then
				warned = newest + 1
				warnings[i] = true
			end
			local values = add > 0 and charged or refusals
			values[i] = pack(HEAD_FORM, VERSION, per, newest, sum,
				count, warned, width, span) .. rest
		end
	end

	-- Blocks: nothing is counted, and only an override says no.
	for _ = 1, looks do
		field = field + 1
		if control[field] then
			local binding, cost = unpack_at('<Bd', arg, at)
			if cost > (rare().override(field) or math.huge)
				and binding > 0 then
				fits = false
				refuses = refuses or binding == 2
			end
		end
		at = at + 9
	end

	local absent = has_absent and rare().foreign()
	if absent then
		return answer(DAMAGED) .. pack('<I2', absent)
	end
	local outcome = fits and 1 or refuses and 2 or 0
	local values = outcome == 1 and charged or refusals
	for i = 1, is_look == 0 and outcome > 0 and windows or 0 do
		local value = values[i]
		if value then
			local reply = pcall_('SET', KEYS[1 + i], value, 'PX',
				lives[i])
			if reply.err then
				return reply
			end
		else
			warnings[i] = nil
		end
	end
	if is_look == 0 then
		if #ended > 0 then
			overrides = -1
		end
		if is_behind or overrides < 0 or now - last >= clock_step then
			failed = rare().write_clock()
			if failed then
				return failed
			end
		end
		if outcome == 1 and sets > 0 then
			rare().remember(known)
		end
		if #ended > 0 then
			call('HDEL', KEYS[#KEYS], unpack(ended))
		end
		if overrides < 0 then
			rare().count_overrides()
			failed = rare().write_clock()
			if failed then
				return failed
			end
		end
	end
	local told, warned = {}, {}
	for i = 1, sets do
		told[i] = known[i].count
	end
	for i = 1, windows do
		warned[i] = warnings[i] and is_look == 0 and 1 or 0
	end
	return { answer(DONE)
		.. pack('<B' .. string.rep('d', sets), outcome, unpack(told)),
		old, control, string.char(unpack(warned)) }
end
return rare().other()
