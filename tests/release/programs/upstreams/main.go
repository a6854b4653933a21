// The programs of the test `upstreams`: an origin, a server, and callers. The standard library is enough.
package main

import (
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	programs := map[string]func([]string){"callers": callers, "origin": origin, "server": server}
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		log.Fatal("usage: upstreams callers|origin|server [options]")
	}
	programs[os.Args[1]](os.Args[2:])
}
