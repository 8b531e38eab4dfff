// Serves HTTP on 8080, or asks for a URL once: what a check of a cluster needs in a pod.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// How long it goes on after SIGTERM: a pod that is killed sooner never says that it ended. Kubelet gives two seconds to
// whoever asks for less, so two would prove nothing.
const lingers = 4 * time.Second

func main() {
	if len(os.Args) == 2 {
		get(os.Args[1])
		return
	}
	serve()
}

func serve() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		fmt.Println(http.ListenAndServe(":8080", http.HandlerFunc(greet)))
		os.Exit(1)
	}()
	<-asked
	fmt.Println("asked to end")
	time.Sleep(lingers)
	fmt.Println("ended")
}

func greet(to http.ResponseWriter, _ *http.Request) { fmt.Fprintln(to, "here") }

// Fails unless the answer is 200 within five seconds.
func get(url string) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(answer.Status)
	if answer.StatusCode != http.StatusOK {
		os.Exit(1)
	}
}
