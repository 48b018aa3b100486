-- Waits in a pause, and says when the person's word ends it.
local notes = os.getenv('NOTES')
local reattach = require('reattach')

local function note(line)
  local file = io.open(notes .. '/log', 'a')
  file:write((line:gsub('\n', ' ')) .. '\n')
  file:close()
end

local notified = ''
vim.notify = function(text)
  notified = notified .. text
end

local function session()
  return select(2, next(reattach.sessions))
end

local function until_state(state)
  vim.wait(100000, function()
    return session() and session().state == state
  end, 20)
end

vim.schedule(function()
  until_state('Connected')
  note('connected')
  until_state('ReconnectExhausted')
  note('status ' .. reattach.statusline())
  note('notified ' .. notified)
  vim.wait(100000, function()
    return vim.loop.fs_stat(notes .. '/retry') ~= nil
  end, 20)
  local before = #session().events
  vim.cmd('ReattachRetry')
  until_state('Connected')
  local causes = {}
  for number, event in ipairs(session().events) do
    if number > before then
      table.insert(causes, event.cause)
    end
  end
  note('causes ' .. table.concat(causes, ', '))
  note('status ' .. reattach.statusline())
  vim.wait(100000, function()
    return vim.loop.fs_stat(notes .. '/end') ~= nil
  end, 20)
  vim.cmd('qall!')
end)
