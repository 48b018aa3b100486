" Does what a person would, and notes what that person would see.
filetype on
syntax off
set filetype=python hidden
let g:ale_hover_to_preview = 1
let g:ale_lint_delay = 50

function! Note(line) abort
  call writefile([substitute(a:line, '\n', ' ', 'g')], $NOTES . '/log', 'a')
endfunction

function! Told(word) abort
  while !filereadable($NOTES . '/' . a:word)
    sleep 20m
  endwhile
endfunction

function! Diagnostics(part) abort
  while 1
    for l:found in get(get(g:ale_buffer_info, bufnr('main.py'), {}), 'loclist', [])
      if stridx(l:found.text, a:part) >= 0
        return Note('diagnostics ' . l:found.text)
      endif
    endfor
    sleep 20m
  endwhile
endfunction

function! Preview() abort
  for l:window in range(1, winnr('$'))
    if getwinvar(l:window, '&previewwindow')
      return join(getbufline(winbufnr(l:window), 1, '$'), ' ')
    endif
  endfor
  return ''
endfunction

function! Hover() abort
  call cursor(9, 3)
  ALEHover
  while Preview() ==# ''
    sleep 20m
  endwhile
  call Note('hover ' . Preview())
  pclose
endfunction

function! Play() abort
  ALELint
  call Diagnostics('os')
  call Hover()
  call Told('cut')
  call append('$', ['', 'nobody'])
  call ale#Queue(0)
  sleep 200m
  call Note('edited ' . Devbox())
  call Diagnostics('nobody')
  call Hover()
  call Told('ask')
  call cursor(9, 3)
  ALEHover
  sleep 200m
  call Note('asked')
  while Devbox() !=# 'ServerNotRunning'
    sleep 20m
  endwhile
  call Note('status ' . Devbox())
  " The command ends a moment after it has said so; until then ALE talks to nobody.
  let g:ale_buffer_info[bufnr('main.py')].loclist = []
  while empty(g:ale_buffer_info[bufnr('main.py')].loclist)
    ALELint
    sleep 500m
  endwhile
  call Diagnostics('nobody')
  call Told('end')
endfunction

call Play()
qall!
