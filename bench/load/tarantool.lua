-- A Tarantool server for bench:tcp: one memtx space of {key, value}, open to the guest.
-- Arguments: port, wal_mode, folder.
local port, wal_mode, folder = arg[1], arg[2], arg[3]

box.cfg({
  listen = '127.0.0.1:' .. port,
  wal_mode = wal_mode,
  work_dir = folder,
  log_level = 2,
  -- Requests that it takes on at once: its default of 768 is fewer than the benchmark has in flight.
  net_msg_max = 10000,
})
local space = box.schema.space.create('lanes', { id = 512 })
space:create_index('primary', { type = 'hash', parts = { { 1, 'string' } } })
box.schema.user.grant('guest', 'read,write', 'space', 'lanes')
print('ready')
io.stdout:flush()
