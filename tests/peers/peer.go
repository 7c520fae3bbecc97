// A peer of Go's standard library. Its calls are told one a line, as JSON, as the client saw them.
//
//	peer serve -port N [-http 1|2] [-tls 1.2|1.3 -cert FILE -key FILE] [-curve P256] [-suite NAME]
//	peer call  -port N [-http 1|2] [-tls 1.2|1.3 -cert FILE -keys FILE] [-connections N]
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
)

var (
	port        = flag.Int("port", 0, "port of the server, on the loopback")
	version     = flag.Int("http", 1, "version of HTTP")
	secured     = flag.String("tls", "", "version of TLS; none: in the clear")
	certificate = flag.String("cert", "", "the server's certificate (PEM)")
	key         = flag.String("key", "", "its private key (PEM)")
	keys        = flag.String("keys", "", "where the client writes the key log")
	curve       = flag.String("curve", "", "the only group that the server takes")
	suite       = flag.String("suite", "", "the only suite of TLS 1.2 that the server takes")
	connections = flag.Int("connections", 1, "so many, one after the other")
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func protocols() *http.Protocols {
	var spoken http.Protocols
	spoken.SetHTTP1(*version == 1)
	spoken.SetHTTP2(*version == 2)
	spoken.SetUnencryptedHTTP2(*version == 2 && *secured == "")
	return &spoken
}

func config() *tls.Config {
	number := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[*secured]
	return &tls.Config{MinVersion: number, MaxVersion: number}
}

// A handler of the paths that all servers of these tests have; /parts is flushed in parts and has a trailer.
func handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	must(err)
	switch {
	case r.URL.Path == "/echo":
		w.Write(body)
	case r.URL.Path == "/parts":
		w.Header().Set("Trailer", "X-End")
		for n := 1; n < 6; n++ {
			fmt.Fprint(w, strings.Repeat("p", n*1000))
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-End", "yes")
	case strings.HasPrefix(r.URL.Path, "/bytes/"):
		size, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/bytes/"))
		must(err)
		w.Header().Set("Content-Length", strconv.Itoa(size))
		fmt.Fprint(w, strings.Repeat("x", size))
	case r.URL.Path == "/none":
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}

func serve() {
	server := &http.Server{
		Addr: fmt.Sprintf("127.0.0.1:%d", *port), Handler: http.HandlerFunc(handle), Protocols: protocols(),
	}
	if *secured == "" {
		must(server.ListenAndServe())
	}
	server.TLSConfig = config()
	if *curve == "P256" {
		server.TLSConfig.CurvePreferences = []tls.CurveID{tls.CurveP256}
	}
	for _, one := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if one.Name == *suite {
			server.TLSConfig.CipherSuites = []uint16{one.ID}
		}
	}
	must(server.ListenAndServeTLS(*certificate, *key))
}

type body struct {
	Bytes int64 `json:"body_bytes"`
}

type session struct {
	Version    string `json:"version"`
	Cipher     string `json:"cipher"`
	ServerName string `json:"server_name"`
}

type call struct {
	Call      string   `json:"call"`
	Protocol  string   `json:"protocol"`
	Method    string   `json:"method"`
	Authority string   `json:"authority"`
	Path      string   `json:"path"`
	Status    int      `json:"status"`
	TLS       *session `json:"tls"`
	Request   body     `json:"request"`
	Response  body     `json:"response"`
}

// A reader whose length http does not know, so that the body is sent in parts.
type unknown struct{ io.Reader }

func ask(client *http.Client, number int, method, path string, size int, chunked bool) bool {
	scheme := "http"
	if *secured != "" {
		scheme = "https"
	}
	authority := fmt.Sprintf("localhost:%d", *port)
	var sent io.Reader = bytes.NewReader(bytes.Repeat([]byte("y"), size))
	if chunked {
		sent = unknown{sent}
	}
	if size == 0 {
		sent = nil
	}
	request, err := http.NewRequest(method, scheme+"://"+authority+path, sent)
	must(err)
	request.Header.Set("X-Call", strconv.Itoa(number))
	request.Header.Set("Accept-Encoding", "identity")
	response, err := client.Do(request)
	must(err)
	received, err := io.Copy(io.Discard, response.Body)
	must(err)
	response.Body.Close()
	seen := call{
		strconv.Itoa(number), "http/1.1", method, authority, path, response.StatusCode, nil,
		body{int64(size)}, body{received},
	}
	if response.ProtoMajor == 2 {
		seen.Protocol = "h2"
	}
	resumed := false
	if state := response.TLS; state != nil {
		name := strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")
		seen.TLS = &session{name, tls.CipherSuiteName(state.CipherSuite), "localhost"}
		resumed = state.DidResume
	}
	must(json.NewEncoder(os.Stdout).Encode(seen))
	return resumed
}

func calls() {
	transport := &http.Transport{Protocols: protocols()}
	if *secured != "" {
		text, err := os.ReadFile(*certificate)
		must(err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		log, err := os.Create(*keys)
		must(err)
		transport.TLSClientConfig = config()
		transport.TLSClientConfig.RootCAs = roots
		transport.TLSClientConfig.KeyLogWriter = log
		transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		for _, one := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if one.Name == *suite {
				transport.TLSClientConfig.CipherSuites = []uint16{one.ID}
			}
		}
	}
	client := &http.Client{Transport: transport}
	number := 0
	for connection := 0; connection < *connections; connection++ {
		for _, one := range []struct {
			method, path string
			size         int
			chunked      bool
		}{
			{"GET", "/bytes/1000", 0, false}, {"POST", "/echo", 5000, false}, {"HEAD", "/bytes/17", 0, false},
			{"GET", "/parts", 0, false}, {"PUT", "/echo", 60000, true}, {"GET", "/missing", 0, false},
			{"DELETE", "/none", 0, false}, {"GET", "/bytes/100000", 0, false},
		} {
			resumed := ask(client, number, one.method, one.path, one.size, one.chunked)
			if resumed != (connection > 0) && *secured != "" {
				log.Fatalf("call %d: resumed: %v", number, resumed)
			}
			number++
		}
		transport.CloseIdleConnections()
	}
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("peer serve|call ...")
	}
	must(flag.CommandLine.Parse(os.Args[2:]))
	map[string]func(){"serve": serve, "call": calls}[os.Args[1]]()
}
