// THE list of probe kinds: one line each. A new kind is a line here and a file <kind>_probe.cpp
// that defines `const KindSpec& <kind>_kind();`. No include guard: the list is expanded where
// needed.
KIND(http)
KIND(tcp)
KIND(tls)
KIND(postgres)
KIND(redis)
KIND(websocket)
KIND(dns)
KIND(heartbeat)
KIND(process)
KIND(connections)
KIND(disk)
KIND(memory)
