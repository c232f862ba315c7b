"""One echo server per foreign library, each a program of its own.

A server listens on a free loopback port, prints that port as its first line, and ends when its standard input
does. It chooses subprotocol `chat.v2`, else `chat.v1`, else none; echoes what it gets; and obeys these texts,
as far as its library can:

| text | what it does |
| --- | --- |
| `close CODE REASON` | closes |
| `flood COUNT SIZE` | sends COUNT texts of SIZE characters, each beginning with its number in eight digits |
| `header NAME` | answers with the value of this request header, or nothing |
| `fragment COUNT` | answers with one text message, `piece 0;piece 1;...`, a frame for each piece |
| `ping` | pings, and when the pong is there sends `pong` |
| `drop` | drops the connection without a Close frame |
"""
