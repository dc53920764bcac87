// Answers with the path that a Go application would route by.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"served": path.Clean(r.URL.Path), "host": r.Host})
	}))
}
