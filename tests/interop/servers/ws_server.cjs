// An echo server on Node's ws; over TLS if there are arguments: a certificate, its key, a version, and the
// authority of the clients, whose certificates are required then.
const { readFileSync } = require("fs");
const http = require("http");
const https = require("https");
const { WebSocketServer } = require("ws");

function obey(ws, request, text) {
  const [verb, first, second] = text.match(/^(\S+)(?: (\S+))?(?: (.*))?$/s)?.slice(1) ?? [];
  if (verb === "close" && second !== undefined) ws.close(Number(first), second);
  else if (verb === "flood" && second !== undefined) {
    for (let n = 0; n < Number(first); n++) ws.send(String(n).padStart(8, "0").padEnd(Number(second), "."));
  } else if (verb === "header" && first !== undefined) ws.send(request.headers[first.toLowerCase()] ?? "");
  else if (verb === "fragment" && first !== undefined) {
    for (let n = 0; n < Number(first); n++) ws.send(`piece ${n};`, { fin: n === Number(first) - 1 });
  } else if (text === "ping") {
    ws.once("pong", () => ws.send("pong"));
    ws.ping();
  } else if (text === "drop") ws.terminate();
  else ws.send(text);
}

function secureServer(certificate, key, version, authority) {
  const client = authority && { ca: readFileSync(authority), requestCert: true };
  const own = { cert: readFileSync(certificate), key: readFileSync(key) };
  return https.createServer({ ...own, ...client, minVersion: version, maxVersion: version });
}

const listener = process.argv.length > 2 ? secureServer(...process.argv.slice(2)) : http.createServer();
listener.listen(0, "127.0.0.1", () => console.log(listener.address().port));

const server = new WebSocketServer({
  server: listener,
  perMessageDeflate: { threshold: 0 }, // for who offers it, and small messages too: the other servers do so anyway
  handleProtocols: (offered) => ["chat.v2", "chat.v1"].find((name) => offered.has(name)) ?? false,
});
server.on("connection", (ws, request) => {
  ws.on("error", () => {}); // how clients leave is what the tests are about
  ws.on("message", (data, binary) => (binary ? ws.send(data) : obey(ws, request, data.toString())));
});
process.stdin.on("end", () => process.exit()).resume();
