-- Does what a person would, and notes what that person would see. Neovim waits for its own events while
-- this waits, so nothing here blocks it.
local notes = os.getenv('NOTES')
local reattach = require('reattach')

local function note(line)
  local file = io.open(notes .. '/log', 'a')
  file:write((line:gsub('\n', ' ')) .. '\n')
  file:close()
end

local function told(word)
  vim.wait(100000, function()
    return vim.loop.fs_stat(notes .. '/' .. word) ~= nil
  end, 20)
end

local notified = {}
vim.notify = function(text)
  table.insert(notified, text)
end

local states = {}
vim.api.nvim_create_autocmd('User', {
  pattern = 'ReattachState',
  callback = function()
    for _, session in pairs(reattach.sessions) do
      states = vim.tbl_map(function(event)
        return event.state
      end, session.events)
    end
  end,
})

local function diagnostics(part)
  vim.wait(100000, function()
    for _, found in ipairs(vim.diagnostic.get(0)) do
      if found.message:find(part, 1, true) then
        note('diagnostics ' .. found.message)
        return true
      end
    end
    return false
  end, 20)
end

local function ask(callback)
  local params = { textDocument = { uri = vim.uri_from_bufnr(0) }, position = { line = 8, character = 2 } }
  vim.lsp.buf_request(0, 'textDocument/hover', params, callback)
end

local function hover()
  local text
  ask(function(err, result)
    text = vim.inspect(err or result.contents)
  end)
  vim.wait(100000, function()
    return text ~= nil
  end, 20)
  note('hover ' .. text)
end

vim.schedule(function()
  diagnostics('os')
  hover()
  told('cut')
  vim.api.nvim_buf_set_lines(0, -1, -1, false, { '', 'nobody' })
  vim.wait(500, function()
    return reattach.statusline() ~= ''
  end, 20)
  note('edited ' .. reattach.statusline())
  diagnostics('nobody')
  hover()
  told('ask')
  local failed
  ask(function(err)
    failed = err
  end)
  note('asked')
  vim.wait(100000, function()
    return failed ~= nil
  end, 20)
  note('error ' .. failed.message)
  local offer
  vim.wait(100000, function()
    for _, text in ipairs(notified) do
      offer = text:find(':ReattachRestart', 1, true) and text or offer
    end
    return offer ~= nil
  end, 20)
  note('notified ' .. offer)
  note('status ' .. reattach.statusline())
  local before = table.concat(states, ' ')
  told('restart')
  vim.diagnostic.reset()
  vim.cmd('ReattachRestart')
  diagnostics('nobody')
  vim.wait(100000, function()
    return reattach.statusline() == ''
  end, 20)
  note('status ' .. reattach.statusline())
  note('states ' .. before)
  told('end')
  vim.cmd('qall!')
end)
