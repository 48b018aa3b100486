-- Language servers on another machine, kept over dropped links by `reattach`.
--
-- Neovim's own client talks to the server; this file starts it with the right words, tells it of no
-- process that is not on its host, follows the state that `reattach` reports, and offers what a person
-- can do about it. Neovim 0.7 or later.
--
--   local reattach = require('reattach')
--   reattach.start { host = 'devbox', cmd = { 'pylsp' }, root_dir = vim.fn.getcwd() }
--   vim.o.statusline = '%f %m %= %{v:lua.require("reattach").statusline()}'
--
-- :ReattachRetry tries now, :ReattachRestart starts a fresh server, :ReattachStatus tells the state, and
-- :ReattachLog what the server said.
-- At each change the autocommand `User ReattachState` runs.

local M = {}

local uv = vim.uv or vim.loop

-- Sessions by the number of Neovim's client. They stay when they are lost, so that they can be restarted.
M.sessions = {}

-- Lines of the program's own, and changes of the state, that are kept for who wants to see them.
local KEPT_MAX = 200

local function tell(text, level)
  vim.notify(text, level or vim.log.levels.INFO)
end

-- A pipe by which one program's errors come in: Neovim itself only writes them to a log.
local function listen(on_line)
  local path = vim.fn.tempname()
  vim.fn.system({ 'mkfifo', '-m', '600', path })
  if vim.v.shell_error ~= 0 then
    return nil
  end
  -- For reading and writing, so that neither side waits for the other to open it.
  local fd = uv.fs_open(path, 'r+', 384)
  if not fd then
    os.remove(path)
    return nil
  end
  local pipe, rest = uv.new_pipe(false), ''
  pipe:open(fd)
  pipe:read_start(function(_, chunk)
    rest = rest .. (chunk or '')
    while true do
      local line, after = rest:match('^([^\n]*)\n(.*)$')
      if not line then
        break
      end
      rest = after
      vim.schedule(function()
        on_line(line)
      end)
    end
  end)
  return {
    path = path,
    close = function()
      if not pipe:is_closing() then
        pipe:close()
      end
      os.remove(path)
    end,
  }
end

-- What stands in a status line; nothing while all is well.
local function words(session)
  local state, count = session.state, session.count
  if state == 'Connected' or state == 'Closed' then
    return ''
  end
  local text = ({
    Connecting = 'connecting',
    HeartbeatMissed = 'no answer',
    Reconnecting = 'reconnecting',
    ReconnectFailed = 'link lost',
    ReconnectExhausted = 'link lost, :ReattachRetry',
    ServerNotRunning = 'server gone, :ReattachRestart',
    Refused = 'refused, :ReattachRestart',
  })[state] or state
  if count and (state == 'Reconnecting' or state == 'HeartbeatMissed') then
    text = text .. ' ' .. count
  end
  return session.name .. ': ' .. text
end

local function changed(session)
  vim.cmd('redrawstatus!')
  vim.cmd('silent doautocmd <nomodeline> User ReattachState')
end

-- States in which a person has something to decide.
local LOST = { ServerNotRunning = true, Refused = true }

local function on_line(session, line)
  local ok, event = pcall(vim.json.decode, line)
  if not ok or type(event) ~= 'table' or type(event.reattach) ~= 'table' then
    table.insert(session.said, line)
    if #session.said > KEPT_MAX then
      table.remove(session.said, 1)
    end
    return
  end
  event = event.reattach
  session.state, session.count, session.message = event.state, event.count, event.message
  table.insert(session.events, event)
  if #session.events > KEPT_MAX then
    table.remove(session.events, 1)
  end
  if LOST[event.state] then
    tell(('%s: %s (:ReattachRestart starts a fresh one)'):format(session.name, event.message or event.state),
      vim.log.levels.ERROR)
  elseif event.state == 'ReconnectExhausted' and event.message then
    tell(('%s: %s'):format(session.name, event.message), vim.log.levels.WARN)
  end
  changed(session)
end

-- Whether it will do nothing more.
local function is_over(session)
  return session.exited ~= nil or LOST[session.state] == true
end

-- The words that start it: `--speaks lsp` lets it answer for a server that is gone, and tells the server
-- of no process on this machine.
local function command(options, errors)
  local all = { options.reattach or 'reattach', 'connect' }
  if options.via then
    vim.list_extend(all, { '--via', options.via })
  elseif options.host then
    table.insert(all, options.host)
  else
    table.insert(all, '--local')
  end
  vim.list_extend(all, { '--speaks', 'lsp', '--log-format', 'json' })
  if options.id then
    vim.list_extend(all, { '--id', options.id })
  end
  vim.list_extend(all, options.args or {})
  table.insert(all, '--')
  vim.list_extend(all, options.cmd)
  if errors then
    all = vim.list_extend({ 'sh', '-c', 'exec "$@" 2>"$0"', errors }, all)
  end
  return all
end

local function attach(session, buffer)
  if vim.api.nvim_buf_is_loaded(buffer) then
    vim.lsp.buf_attach_client(buffer, session.client)
    session.buffers[buffer] = true
  end
end

-- Starts a server for a buffer, or attaches it to the one that runs for the same directory.
--
--   host, via   where; neither means on this machine
--   cmd         the server's command there
--   root_dir    the project's directory, the same on both machines
--   id          a name for the session, so that another Neovim can take it over; usually not needed
--   args        more words for `reattach connect`
--   lsp         what else vim.lsp should be told: settings, capabilities, on_attach
function M.start(options, buffer)
  buffer = buffer or vim.api.nvim_get_current_buf()
  options = vim.deepcopy(options)
  options.name = options.name or options.cmd[1]
  options.root_dir = options.root_dir or vim.fn.getcwd()
  for _, session in pairs(M.sessions) do
    local same = true
    for _, option in ipairs({ 'name', 'root_dir', 'host', 'via' }) do
      same = same and session.options[option] == options[option]
    end
    if same and not is_over(session) then
      attach(session, buffer)
      return session.client
    end
  end

  local session =
    { name = options.name, options = options, buffers = {}, said = {}, events = {}, state = 'Connecting' }
  local errors = listen(function(line)
    on_line(session, line)
  end)
  local config = vim.tbl_extend('force', options.lsp or {}, {
    name = options.name,
    cmd = command(options, errors and errors.path),
    root_dir = options.root_dir,
  })
  local before_init = config.before_init
  config.before_init = function(params, client_config)
    -- Also where somebody takes `--speaks` away.
    params.processId = vim.NIL
    if before_init then
      before_init(params, client_config)
    end
  end
  local on_exit = config.on_exit
  config.on_exit = function(code, signal, client)
    -- What it said last is read first.
    vim.defer_fn(function()
      session.exited = { code = code, signal = signal }
      if errors then
        errors.close()
      end
      if not LOST[session.state] then
        session.state = 'Closed'
        M.sessions[client] = nil
      end
      changed(session)
    end, 50)
    if on_exit then
      on_exit(code, signal, client)
    end
  end

  if vim.lsp.start then
    local always = function()
      return false
    end
    session.client = vim.lsp.start(config, { bufnr = buffer, reuse_client = always })
  else
    session.client = vim.lsp.start_client(config)
  end
  if not session.client then
    if errors then
      errors.close()
    end
    return nil
  end
  M.sessions[session.client] = session
  attach(session, buffer)
  return session.client
end

-- Starts a fresh server in the place of each that is gone, for the same buffers: its state is lost, and
-- Neovim tells it again what is open. Only a person decides that.
function M.restart()
  local lost = {}
  for number, session in pairs(M.sessions) do
    if is_over(session) then
      lost[number] = session
    end
  end
  if vim.tbl_isempty(lost) then
    return tell('reattach: no server is gone')
  end
  for number, session in pairs(lost) do
    M.sessions[number] = nil
    for buffer in pairs(session.buffers) do
      if vim.api.nvim_buf_is_loaded(buffer) then
        M.start(session.options, buffer)
      end
    end
  end
end

-- Tries now, whatever is waited for. A session with a name is told alone, others all together: that does
-- no harm to one that is well.
function M.retry()
  local told = {}
  for _, session in pairs(M.sessions) do
    local name = session.options.id or ''
    if not is_over(session) and not told[name] then
      told[name] = true
      local line = { session.options.reattach or 'reattach', 'retry' }
      if session.options.id then
        table.insert(line, session.options.id)
      end
      vim.fn.jobstart(line)
    end
  end
end

-- For the status line: empty while all is well.
function M.statusline()
  local all = {}
  for _, session in pairs(M.sessions) do
    local text = words(session)
    if text ~= '' then
      table.insert(all, text)
    end
  end
  table.sort(all)
  return table.concat(all, ' | ')
end

function M.status()
  local lines = {}
  for _, session in pairs(M.sessions) do
    local host = session.options.host or session.options.via or 'this machine'
    table.insert(lines, ('%s on %s: %s'):format(session.name, host, session.message or session.state))
  end
  table.sort(lines)
  tell(#lines > 0 and table.concat(lines, '\n') or 'reattach: no session')
end

-- What the servers have written to their standard errors lately.
function M.log()
  local lines = {}
  for _, session in pairs(M.sessions) do
    vim.list_extend(lines, session.said)
  end
  tell(#lines > 0 and table.concat(lines, '\n') or 'reattach: nothing was said')
end

vim.cmd([[
command! ReattachRetry lua require('reattach').retry()
command! ReattachRestart lua require('reattach').restart()
command! ReattachStatus lua require('reattach').status()
command! ReattachLog lua require('reattach').log()
]])

return M
