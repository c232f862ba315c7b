// An echo server on Node's ws.
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

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  handleProtocols: (offered) => ["chat.v2", "chat.v1"].find((name) => offered.has(name)) ?? false,
});
server.on("listening", () => console.log(server.address().port));
server.on("connection", (ws, request) => {
  ws.on("error", () => {}); // how clients leave is what the tests are about
  ws.on("message", (data, binary) => (binary ? ws.send(data) : obey(ws, request, data.toString())));
});
process.stdin.on("end", () => process.exit()).resume();
