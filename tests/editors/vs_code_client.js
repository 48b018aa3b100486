// A language client as VS Code's extensions have one, and what it is told.
const { spawn } = require('child_process');
const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');
const protocol = require('vscode-languageserver-protocol/node');

const notes = process.env.NOTES;
const note = (line) => fs.appendFileSync(path.join(notes, 'log'), line.replace(/\n/g, ' ') + '\n');
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function told(word) {
  while (!fs.existsSync(path.join(notes, word))) {
    await pause(20);
  }
}

async function main() {
  const [program, file] = process.argv.slice(2);
  const server = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((done) => server.on('exit', done));
  const connection = protocol.createProtocolConnection(
    new protocol.StreamMessageReader(server.stdout),
    new protocol.StreamMessageWriter(server.stdin),
  );
  let found = [];
  connection.onNotification('textDocument/publishDiagnostics', (news) => {
    found = news.diagnostics.map((diagnostic) => diagnostic.message);
  });
  const diagnostics = async (part) => {
    while (!found.some((message) => message.includes(part))) {
      await pause(20);
    }
    note('diagnostics ' + found.find((message) => message.includes(part)));
  };
  connection.listen();

  const uri = pathToFileURL(path.resolve(file)).href;
  const text = fs.readFileSync(file, 'utf8');
  const position = { textDocument: { uri }, position: { line: 0, character: 5 } };
  const hover = () => connection.sendRequest('textDocument/hover', position);

  await connection.sendRequest('initialize', { processId: process.pid, rootUri: null, capabilities: {} });
  connection.sendNotification('initialized', {});
  connection.sendNotification('textDocument/didOpen', {
    textDocument: { uri, languageId: 'c', version: 1, text },
  });
  await diagnostics('missing');
  note('hover ' + JSON.stringify((await hover()).contents));
  await told('cut');
  connection.sendNotification('textDocument/didChange', {
    textDocument: { uri, version: 2 },
    contentChanges: [{ text: text + 'int more(void) { return nobody; }\n' }],
  });
  note('edited');
  await diagnostics('nobody');
  await told('ask');
  const asked = hover();
  note('asked');
  await asked.catch((error) => note(`error ${error.code} ${error.message}`));
  note('ended ' + (await ended));
  await told('end');
  process.exit(0);
}

main();
