// Answers a POST of more than 1,000 bytes as http.MaxBytesReader has it.
// Arguments: certificate and key, for TLS.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			fmt.Fprint(w, "ok")
			return
		}
		if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000)); err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	// HTTP/2 is refused by the program that starts this: see GODEBUG.
	server := &http.Server{Handler: handler}
	if len(os.Args) > 2 {
		panic(server.ServeTLS(listener, os.Args[1], os.Args[2]))
	}
	panic(server.Serve(listener))
}
