package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Plain HTTP/1.1 for the servers that forward.
func origin(arguments []string) {
	flags := flag.NewFlagSet("origin", flag.ExitOnError)
	name := flags.String("journal", "", "file")
	flags.Parse(arguments)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal((&http.Server{Handler: application{openJournal(*name)}}).Serve(listener))
}

// net/http with TLS. SIGHUP restarts it: the old server finishes its requests while a new one accepts.
func server(arguments []string) {
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	name := flags.String("journal", "", "file")
	certificate := flags.String("certificate", "", "file")
	key := flags.String("key", "", "file")
	protocol := flags.String("protocol", "h2", "h1 or h2")
	ends := flags.Int64("ends", 0, "requests after which a connection ends; 0 for never")
	flags.Parse(arguments)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr().(*net.TCPAddr).Port)
	handler := ending{application{openJournal(*name)}, *ends}
	begin := func(listener net.Listener) *http.Server {
		server := &http.Server{Handler: handler, ConnContext: counted, ErrorLog: log.New(os.Stderr, "", 0)}
		if *protocol == "h1" {
			server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
		}
		go func() {
			if err := server.ServeTLS(listener, *certificate, *key); !errors.Is(err, http.ErrServerClosed) {
				log.Fatal(err)
			}
		}()
		return server
	}
	restarts := make(chan os.Signal, 1)
	signal.Notify(restarts, syscall.SIGHUP)
	for {
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			log.Fatal(err)
		}
		old := begin(listener)
		<-restarts
		if listener, err = net.FileListener(file); err != nil {
			log.Fatal(err)
		}
		file.Close()
		go func() {
			patience, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			old.Shutdown(patience)
		}()
	}
}

type countKey struct{}

func counted(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, countKey{}, new(atomic.Int64))
}

// Ends each connection after so many requests: HTTP/2 turns the field into a GOAWAY.
type ending struct {
	inner http.Handler
	after int64
}

func (e ending) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	count := r.Context().Value(countKey{}).(*atomic.Int64)
	if e.after > 0 && count.Add(1) >= e.after {
		w.Header().Set("Connection", "close")
	}
	e.inner.ServeHTTP(w, r)
}
